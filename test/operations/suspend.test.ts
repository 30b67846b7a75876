import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import {
  DatabaseUnavailableError,
  InvalidInputError,
  OperationFailedError,
  OperationInProgressError,
  TenantOffboardingError,
  TenantOnboardingError,
} from '../../src/errors.ts'
import { failing, memoryStage } from './stage.ts'

const acme = { kind: 'slug' as const, slug: parseTenantSlug('acme') }
const reason = 'unpaid'
const down = new DatabaseUnavailableError('The server is down.')

test('the gate is closed before the catalog says so, and running statements are ended last', async () => {
  const { operations, catalog, schema } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme', plan: 'pro' })
  const { operation, plan } = await operations.suspend('acme', { reason, actor: { kind: 'staff', id: 'alice' } })
  assert.deepEqual(
    plan.map(({ name }) => name),
    ['note', 'close-gate', 'mark-suspended', 'end-statements'],
  )
  assert.deepEqual([operation?.reason, operation?.actor.id], [reason, 'alice'])
  const tenant = (await catalog.find(acme)) as Tenant
  assert.equal(tenant.status, 'suspended')
  assert.equal((await schema.describe(tenant)).gate, 'suspended')
})

test('without a reason nobody is suspended', async () => {
  const { operations, catalog } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(operations.suspend('acme', {} as { reason: string }), InvalidInputError)
  await assert.rejects(operations.suspend('acme', { reason: '  ' }), InvalidInputError)
  assert.equal((await catalog.find(acme))?.status, 'active')
})

test('a tenant on its way in or out is not suspended: its gate is closed as it is', async () => {
  const stage = memoryStage()
  const { operations } = stage
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  const { operation } = await operations.offboard('acme', { reason })
  await assert.rejects(operations.suspend('acme', { reason }), OperationInProgressError)
  assert.equal(stage.audited().at(-1), 'tenant.suspend refused refused')
  await operations.cancel(operation?.id ?? '', { reason })
  await stage.catalog.setStatus(operation?.tenantId as Tenant['id'], 'offboarding')
  await assert.rejects(operations.suspend('acme', { reason }), TenantOffboardingError)
  await stage.catalog.setStatus(operation?.tenantId as Tenant['id'], 'onboarding')
  await assert.rejects(operations.suspend('acme', { reason }), TenantOnboardingError)
})

test('a failed rename does not stand in the way of a suspension, and a failed suspension does in the way of a rename', async () => {
  const stage = memoryStage()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  const broken = memoryStage({ ...stage.options, catalog: failing(stage.catalog, 'update', down) })
  await assert.rejects(broken.operations.rename('acme', { name: 'x' }), OperationFailedError)
  const halfway = memoryStage({ ...stage.options, catalog: failing(stage.catalog, 'setStatus', down) })
  await assert.rejects(halfway.operations.suspend('acme', { reason }), OperationFailedError)
  await assert.rejects(stage.operations.rename('acme', { name: 'x' }), OperationInProgressError)
  // The same again is no obstacle, and neither is the way back.
  await stage.operations.suspend('acme', { reason })
  assert.equal((await stage.catalog.find(acme))?.status, 'suspended')
})

test('a suspension that failed half-way is taken back: status and gate as they were', async () => {
  const stage = memoryStage()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  const halfway = memoryStage({ ...stage.options, placements: () => failing(stage.pooled, 'endStatements', down) })
  await assert.rejects(halfway.operations.suspend('acme', { reason }), OperationFailedError)
  const [failed] = await stage.journal.list({ state: 'failed' })
  assert.equal((await stage.operations.cancel(failed?.id ?? '', { reason: 'paid meanwhile' })).state, 'cancelled')
  const tenant = (await stage.catalog.find(acme)) as Tenant
  assert.equal(tenant.status, 'active')
  assert.equal((await stage.pooled.describe(tenant)).gate, 'open')
})
