import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { databaseNameOf } from '../../src/core/placement.ts'
import { AbortedError } from '../../src/errors.ts'
import { issueApiKey } from '../../src/identity/api-key.ts'
import { PostgresApiKeys } from '../../src/postgres/api-keys.ts'
import { CatalogPurgeStore } from '../../src/postgres/catalog-purge-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { SlotPurgeStore } from '../../src/postgres/slot-purge-store.ts'
import { stage } from '../support/cast.ts'

async function catalogStore(t: TestContext) {
  const cast = await stage(t)
  const open = (connectionString: string) => {
    const pool = new ControlPool({ connectionString, applicationName: 'test-purge' })
    t.after(() => pool.close())
    return pool
  }
  const migrator = open(cast.database.urls.migrator)
  const keys = new PostgresApiKeys({ gatekeeper: open(cast.database.urls.gatekeeper), migrator })
  for (const { id } of [cast.bob, cast.carol]) for (const name of ['one', 'two', 'three']) await issueApiKey(keys, { tenantId: id, name })
  await cast.tenancy.tenants.update('bob', { domains: ['bob.example'] })
  return { ...cast, keys, migrator, store: new CatalogPurgeStore(migrator) }
}

test('the catalog’s rows of one tenant are planned, purged in batches and read again; another’s stay', async (t) => {
  const { store, bob, carol, keys } = await catalogStore(t)
  const planned = await store.plan(bob)
  assert.deepEqual(
    planned.filter(({ where }) => where !== 'partywall.capabilities'),
    [
      { kind: 'rows', where: 'partywall.api_keys', count: 3 },
      { kind: 'rows', where: 'partywall.tenant_domains', count: 1 },
    ],
  )
  const batches: number[] = []
  const removed = await store.purge(bob, {
    batchRows: 2,
    onProgress: ({ where, count }) => where.endsWith('api_keys') && batches.push(count),
  })
  assert.deepEqual(batches, [2, 1])
  assert.deepEqual(removed.find(({ where }) => where.endsWith('api_keys'))?.count, 3)
  assert.deepEqual(await store.verify(bob), [])
  assert.deepEqual(await store.purge(bob, {}), [])
  assert.equal((await keys.list(carol.id)).length, 3)
  assert.equal((await store.plan(carol))[0]?.count, 3)
})

test('a table that gets a tenant later is not forgotten', async (t) => {
  const { store, migrator, bob } = await catalogStore(t)
  await migrator.query('create table partywall.quotas (tenant_id uuid not null, quota integer not null)')
  await migrator.query('insert into partywall.quotas (tenant_id, quota) values ($1, 1)', [bob.id])
  assert.ok((await store.verify(bob)).some(({ where }) => where === 'partywall.quotas'))
  await store.purge(bob, {})
  assert.deepEqual(await store.verify(bob), [])
})

test('a purge that is cancelled says where it stopped', async (t) => {
  const { store, bob } = await catalogStore(t)
  await assert.rejects(store.purge(bob, { signal: AbortSignal.abort() }), AbortedError)
  assert.ok((await store.verify(bob)).length > 0)
})

test('slots are read on the tenant’s server; one without slots has none to drop', async (t) => {
  const { database, bob } = await stage(t)
  const asked: string[] = []
  const store = new SlotPurgeStore(async (server, fn) => {
    asked.push(server)
    return await fn(database.superuser)
  })
  assert.deepEqual(await store.plan(bob), [])
  // Physical slots need no logical replication, and are found by their name.
  const [mine, other] = [`${databaseNameOf(bob.id)}_move`, 'somebody_elses']
  await database.superuser.query('select pg_create_physical_replication_slot($1), pg_create_physical_replication_slot($2)', [mine, other])
  t.after(() => database.superuser.query('select pg_drop_replication_slot($1)', [other]))
  assert.deepEqual(await store.plan(bob), [{ kind: 'replication slots', where: 'server main', count: 1 }])
  assert.deepEqual(await store.purge(bob), [{ kind: 'replication slots', where: 'server main', count: 1 }])
  assert.deepEqual(await store.verify(bob), [])
  const left = await database.superuser.query('select slot_name from pg_replication_slots where slot_name = $1', [other])
  assert.equal(left.length, 1)
  assert.equal(new Set(asked).size, 1)
})
