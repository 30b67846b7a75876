import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { mainPlacement } from '../../src/core/placement.ts'
import { parseTenantSlug } from '../../src/core/tenant.ts'
import { TenantScope } from '../../src/core/tenant-context.ts'
import { TenantDirectory } from '../../src/core/tenant-directory.ts'
import { Tenants } from '../../src/core/tenants.ts'
import { OperationRequiredError } from '../../src/errors.ts'

async function tenantsOf(catalog: MemoryCatalog) {
  const auditTrail = new MemoryAuditTrail()
  const directory = await TenantDirectory.open({ catalog })
  return { tenants: new Tenants({ catalog, directory, auditTrail, scope: new TenantScope(auditTrail) }), auditTrail }
}

const why = { reason: 'unpaid' }

test('a tenant whose gate is in another database is suspended by an operation alone; one in the catalog’s own directly', async () => {
  const catalog = new MemoryCatalog()
  const { tenants, auditTrail } = await tenantsOf(catalog)
  const elsewhere = { ...mainPlacement, isolation: 'database' as const, database: 'pw_0123' }
  const away = await catalog.create({ slug: parseTenantSlug('away'), name: 'Away', placement: elsewhere })
  await catalog.create({ slug: parseTenantSlug('here'), name: 'Here' })
  await assert.rejects(tenants.suspend('away', why), OperationRequiredError)
  await assert.rejects(tenants.resume('away', why), OperationRequiredError)
  assert.equal((await catalog.find({ kind: 'id', id: away.id }))?.status, 'active')
  assert.deepEqual(auditTrail.events(), [])
  assert.equal((await tenants.suspend('here', why)).status, 'suspended')
  assert.equal((await tenants.resume('here', why)).status, 'active')
})

test('a tenant on its way in or out is neither opened nor closed past its operation', async () => {
  const catalog = new MemoryCatalog()
  const { tenants } = await tenantsOf(catalog)
  const coming = await catalog.create({ slug: parseTenantSlug('coming'), name: 'Coming', status: 'onboarding' })
  const going = await catalog.create({ slug: parseTenantSlug('going'), name: 'Going', status: 'offboarding' })
  for (const { id } of [coming, going]) {
    await assert.rejects(tenants.resume(id, why), OperationRequiredError)
    await assert.rejects(tenants.suspend(id, why), OperationRequiredError)
  }
  assert.equal((await catalog.find({ kind: 'id', id: going.id }))?.status, 'offboarding')
})
