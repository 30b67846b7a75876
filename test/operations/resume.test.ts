import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import { DatabaseUnavailableError, InvalidInputError, OperationFailedError } from '../../src/errors.ts'
import { failing, memoryStage } from './stage.ts'

const acme = { kind: 'slug' as const, slug: parseTenantSlug('acme') }
const reason = 'paid'

test('a resumed tenant has an open gate and is active', async () => {
  const { operations, catalog, pooled } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await operations.suspend('acme', { reason: 'unpaid' })
  await assert.rejects(operations.resume('acme', {} as { reason: string }), InvalidInputError)
  await operations.resume('acme', { reason })
  const tenant = (await catalog.find(acme)) as Tenant
  assert.equal(tenant.status, 'active')
  assert.equal((await pooled.describe(tenant)).gate, 'open')
})

test('a resumption that is taken back half-way leaves the gate closed', async () => {
  const stage = memoryStage()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  await stage.operations.suspend('acme', { reason: 'unpaid' })
  const down = new DatabaseUnavailableError('The catalog is down.')
  const halfway = memoryStage({ ...stage.options, catalog: failing(stage.catalog, 'setStatus', down) })
  await assert.rejects(halfway.operations.resume('acme', { reason }), OperationFailedError)
  const tenant = (await stage.catalog.find(acme)) as Tenant
  assert.equal((await stage.pooled.describe(tenant)).gate, 'open')
  const [failed] = await stage.journal.list({ state: 'failed' })
  await stage.operations.cancel(failed?.id ?? '', { reason: 'not paid after all' })
  assert.equal((await stage.pooled.describe(tenant)).gate, 'suspended')
  assert.equal((await stage.catalog.find(acme))?.status, 'suspended')
})
