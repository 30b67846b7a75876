// Operations against real PostgreSQL: what the database itself says while they run, and when two of them meet.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import {
  OperationInProgressError,
  OperationRequiredError,
  TenantExistsError,
  TenantNotFoundError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { Operations, type OperationsOptions } from '../../src/operations/operations.ts'
import { PostgresAuditTrail } from '../../src/postgres/audit-trail.ts'
import { PostgresCatalog } from '../../src/postgres/catalog.ts'
import { CatalogPurgeStore } from '../../src/postgres/catalog-purge-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresOperationJournal } from '../../src/postgres/operation-journal.ts'
import { MemorySecrets } from '../operations/stage.ts'
import { rowsPerTenant, stage } from '../support/cast.ts'
import { pooledPlace } from '../support/pooled-place.ts'

async function operationsStage(t: TestContext, change: Partial<OperationsOptions> = {}) {
  const cast = await stage(t)
  const { database } = cast
  const open = (connectionString: string) => {
    const pool = new ControlPool({ connectionString, applicationName: 'test-operations', connectionsMax: 4 })
    t.after(() => pool.close())
    return pool
  }
  const [reader, writer] = [open(database.urls.gatekeeper), open(database.urls.migrator)]
  const place = pooledPlace(writer, database.superuser, ['app.notes', 'app.folders'])
  const options: OperationsOptions = {
    catalog: new PostgresCatalog({ reader, writer }),
    journal: new PostgresOperationJournal({ reader, writer }),
    auditTrail: new PostgresAuditTrail(reader),
    placements: () => place,
    secrets: new MemorySecrets(),
    stores: [new CatalogPurgeStore(writer)],
    ...change,
  }
  return { ...cast, options, operations: new Operations(options) }
}

const reason = 'The test says so.'
const notes = 'select title from app.notes'

test('as bob: statements run, are refused once his suspension is done, and run again after his resumption', async (t) => {
  const { operations, tenancy, bob, carol } = await operationsStage(t)
  const as = (tenant: typeof bob) => tenancy.for(createTenantContext({ tenant })).query(notes)
  assert.equal((await as(bob)).rows.length, rowsPerTenant)
  await operations.suspend('bob', { reason })
  await assert.rejects(as(bob), TenantSuspendedError)
  assert.equal((await as(carol)).rows.length, rowsPerTenant)
  await operations.resume('bob', { reason })
  assert.equal((await as(bob)).rows.length, rowsPerTenant)
})

test('as bob: an off-boarded tenant’s rows are unreachable at once, and gone in the end; carol keeps hers', async (t) => {
  const { operations, tenancy, bob, carol, alice } = await operationsStage(t)
  const { operation } = await operations.offboard('bob', { reason })
  await assert.rejects(tenancy.for(createTenantContext({ tenant: bob })).query(notes), TenantSuspendedError)
  await assert.rejects(tenancy.tenants.resume('bob', { reason }), OperationRequiredError)
  await operations.cancel(operation?.id ?? '', { reason })
  assert.equal((await tenancy.for(createTenantContext({ tenant: bob })).query(notes)).rows.length, rowsPerTenant)
  await operations.offboard('bob', { reason, now: true, batchRows: 2 })
  const counts = await alice<{ tenant_id: string; count: string }>('select tenant_id, count(*) from app.notes group by tenant_id')
  assert.equal(
    counts.find((row) => row.tenant_id === bob.id),
    undefined,
  )
  assert.equal(Number(counts.find((row) => row.tenant_id === carol.id)?.count), rowsPerTenant)
  const trail = await alice<{ action: string; phase: string }>(
    `select action, details->>'phase' as phase from partywall.audit_trail where tenant_id = $1 and action like 'tenant.offboard%' order by position`,
    [bob.id],
  )
  assert.deepEqual(
    trail.map(({ action, phase }) => `${action} ${phase}`),
    [
      'tenant.offboard started',
      'tenant.offboard waiting',
      'tenant.offboard.cancel started',
      'tenant.offboard cancelled',
      'tenant.offboard started',
      'tenant.offboard done',
    ],
  )
})

test('of two operators who take one name, or change one tenant, at once, one is told so and nothing is half-done', async (t) => {
  const { operations, alice } = await operationsStage(t)
  const initech = { slug: 'initech', name: 'Initech' }
  const made = await Promise.allSettled([operations.onboard(initech), operations.onboard(initech), operations.onboard(initech)])
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of made) if (result.status === 'rejected') assert.ok(result.reason instanceof TenantExistsError, String(result.reason))
  assert.equal((await alice(`select id from partywall.tenants where slug = 'initech'`)).length, 1)
  assert.equal((await alice(`select id from partywall.operations where state not in ('done', 'cancelled')`)).length, 0)
  const changed = await Promise.allSettled([operations.suspend('initech', { reason }), operations.offboard('initech', { reason })])
  const refused = changed.filter((result) => result.status === 'rejected')
  // Each may be the first; done one after the other both may pass, and off-boarding then has the last word.
  for (const result of refused) assert.ok(result.reason instanceof OperationInProgressError, String(result.reason))
  assert.ok(refused.length <= 1)
})

test('a tenant that is deleted while an operation runs ends the operation by name', async (t) => {
  const { operations, alice, bob, options } = await operationsStage(t)
  let isDeleted = false
  const deleting = new Operations({
    ...options,
    placements: (isolation) => ({
      ...options.placements(isolation),
      setGate: async () => {
        if (isDeleted) return
        isDeleted = true
        await alice('delete from partywall.gates where tenant_id = $1', [bob.id])
        await alice('delete from partywall.tenants where id = $1', [bob.id])
      },
    }),
  })
  await assert.rejects(deleting.suspend('bob', { reason }), TenantNotFoundError)
  assert.deepEqual(await alice(`select id from partywall.operations where state not in ('done', 'cancelled')`), [])
  await assert.rejects(operations.rename(bob.id, { name: 'x' }), TenantNotFoundError)
})
