// What a process believes of the capabilities that a database hands it. (What the database believes: test/isolation/capabilities.test.ts.)

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseTenantId, type TenantId } from '../../src/core/tenant.ts'
import { TenantNotFoundError } from '../../src/errors.ts'
import { Capabilities } from '../../src/postgres/capabilities.ts'
import { ManualClock } from '../support/manual-clock.ts'

const bob = parseTenantId('01900000-0000-7000-8000-00000000000b')
const carol = parseTenantId('01900000-0000-7000-8000-00000000000c')
const handle = '5b1f9a51-3c39-43d4-8f5e-3f2c5a2b9d10'

/** A login of one tenant's own, and what asks over it. */
function capabilitiesOf(t: TestContext, owner: TenantId): Capabilities {
  const row = { tenant_id: owner, capability: handle, state: 'open', reason: null, ttl_ms: '60000' }
  const control = { query: async <Row extends object>() => [row] as unknown as readonly Row[] }
  const capabilities = new Capabilities({ control, isOwn: true, clock: new ManualClock() })
  t.after(() => capabilities.close())
  return capabilities
}

test('a tenant gets the capability of its own login', async (t) => {
  const capabilities = capabilitiesOf(t, bob)
  assert.equal((await capabilities.get(bob)).handle, handle)
  assert.equal((await capabilities.issue(bob, 60_000)).tenantId, bob)
})

test('a capability of another tenant is taken for nobody’s: in the wrong database nobody is served', async (t) => {
  const capabilities = capabilitiesOf(t, bob)
  await assert.rejects(capabilities.get(carol), TenantNotFoundError)
  await assert.rejects(capabilities.issue(carol, 60_000), TenantNotFoundError)
})
