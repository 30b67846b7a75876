// What every audit trail promises. Run by each adapter's test.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AuditEvent, AuditTrail } from '../../src/core/audit-trail.ts'
import { parseTenantId } from '../../src/core/tenant.ts'
import { InvalidInputError } from '../../src/errors.ts'

/** A trail, and the eyes of whoever may read it. */
export interface AuditTrailUnderTest {
  readonly trail: AuditTrail
  events(): Promise<readonly AuditEvent[]>
}

const event: AuditEvent = {
  action: 'tenancy.across_tenants',
  outcome: 'allowed',
  actor: { kind: 'staff', id: 'alice' },
  tenantId: parseTenantId('0190a0a0-0000-7000-8000-00000000000a'),
  requestId: 'r-1',
  reason: 'monthly report over all tenants',
  details: { tables: ['documents'], rows: 7 },
}
const bare: AuditEvent = {
  action: 'hint.mismatch',
  outcome: 'refused',
  actor: undefined,
  tenantId: undefined,
  requestId: undefined,
  reason: undefined,
}

export function auditTrailConformance(name: string, makeTrail: (t: TestContext) => Promise<AuditTrailUnderTest>): void {
  const promise = (sentence: string, fn: (subject: AuditTrailUnderTest) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => fn(await makeTrail(t)))

  promise('what was recorded is there, in order and complete', async ({ trail, events }) => {
    await trail.record(event)
    await trail.record(bare)
    assert.deepEqual(await events(), [event, bare])
  })

  promise('a hostile text is stored, cleaned and cut, instead of losing the event', async ({ trail, events }) => {
    await trail.record({
      ...event,
      actor: { kind: 'user', id: `eve\0${'x'.repeat(5_000)}` },
      requestId: 'r\ud800',
      reason: "'); drop table partywall.audit_trail; --",
      details: { host: 'a\0b' },
    })
    const [stored] = await events()
    assert.equal(stored?.actor?.id.length, 1_000)
    assert.ok(stored.actor.id.startsWith('eve\uFFFDx'))
    assert.equal(stored.requestId, 'r\uFFFD')
    assert.equal(stored.reason, "'); drop table partywall.audit_trail; --")
    assert.deepEqual(stored.details, { host: 'a\uFFFDb' })
  })

  promise('an event that is none is refused, and so is the act behind it', async ({ trail, events }) => {
    await assert.rejects(trail.record({ ...event, action: '' }), InvalidInputError)
    await assert.rejects(trail.record({ ...event, action: 'Drop Table' }), InvalidInputError)
    await assert.rejects(trail.record({ ...event, outcome: 'maybe' as 'allowed' }), InvalidInputError)
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 'x'.repeat(1_000)]))
    await assert.rejects(trail.record({ ...event, details: many }), InvalidInputError)
    assert.deepEqual(await events(), [])
  })

  promise('what the caller changes afterwards does not change the record', async ({ trail, events }) => {
    const details = { rows: 1 }
    await trail.record({ ...event, details })
    details.rows = 2
    assert.deepEqual((await events())[0]?.details, { rows: 1 })
  })
}
