import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseTenantId, parseTenantSlug, type TenantId } from '../../src/core/tenant.ts'
import { TenantDirectory } from '../../src/core/tenant-directory.ts'
import { ClosedError, ConfigurationError, InvalidInputError, TenantNotFoundError, TenantSuspendedError } from '../../src/errors.ts'
import { PostgresCatalog } from '../../src/postgres/catalog.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { catalogConformance } from '../core/catalog-conformance.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

function poolFor(t: TestContext, connectionString: string): ControlPool {
  const pool = new ControlPool({ connectionString, applicationName: 'test-catalog' })
  t.after(() => pool.close())
  return pool
}

async function catalogUnderTest(t: TestContext) {
  const database = await testDatabase(t)
  const reader = poolFor(t, database.urls.gatekeeper)
  const writer = poolFor(t, database.urls.migrator)
  const catalog = new PostgresCatalog({ reader, writer, watchRetryMsMin: 10 })
  return { database, reader, writer, catalog, app: poolFor(t, database.urls.app) }
}

/** What a listener has heard, and a wait for the next thing that it hears. */
function ears() {
  const heard: (readonly TenantId[] | undefined)[] = []
  let wake = () => {}
  const listener = (ids: readonly TenantId[] | undefined) => {
    heard.push(ids)
    wake()
  }
  const until = async (wanted: (ids: readonly TenantId[] | undefined) => boolean) => {
    while (!heard.some(wanted)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { heard, listener, until }
}

const gateOf = async (database: TestDatabase, id: TenantId) =>
  (await database.superuser.query<{ state: string }>('select state from partywall.gates where tenant_id = $1', [id]))[0]?.state

catalogConformance('PostgreSQL catalog', async (t) => (await catalogUnderTest(t)).catalog)

test('the gate follows the status: the database refuses a suspended tenant whose capability is still alive', async (t) => {
  const { database, reader, catalog, app } = await catalogUnderTest(t)
  const dave = await catalog.create({ slug: parseTenantSlug('dave'), name: 'Dave' })
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  assert.equal(await gateOf(database, dave.id), 'open')
  const issued = await reader.query<{ tenant_id: string; capability: string }>(
    "select tenant_id, capability from partywall.issue($1::uuid[], interval '1 minute', 'test')",
    [[dave.id, bob.id]],
  )
  const capabilityOf = (id: TenantId) => issued.find((row) => row.tenant_id === id)?.capability
  const bind = (id: TenantId) => app.query<{ bind: string }>('select partywall.bind($1)', [capabilityOf(id)])
  assert.equal((await bind(dave.id))[0]?.bind, dave.id)
  await catalog.setStatus(dave.id, 'suspended')
  await assert.rejects(bind(dave.id), { code: 'PW004' })
  assert.equal((await bind(bob.id))[0]?.bind, bob.id, 'his neighbour is served')
  await catalog.setStatus(dave.id, 'active')
  assert.equal((await bind(dave.id))[0]?.bind, dave.id)
  await catalog.setStatus(dave.id, 'offboarding')
  assert.equal(await gateOf(database, dave.id), 'suspended')
  await assert.rejects(bind(dave.id), { code: 'PW004' })
})

test('a status that cannot be stored leaves the gate as it was, and an operator’s UPDATE moves it too', async (t) => {
  const { database, catalog } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  await assert.rejects(database.superuser.query("update partywall.tenants set status = 'gone' where id = $1", [bob.id]), { code: '23514' })
  assert.equal(await gateOf(database, bob.id), 'open')
  await database.superuser.query("update partywall.tenants set status = 'suspended', epoch = 1 where id = $1", [bob.id])
  assert.equal(await gateOf(database, bob.id), 'suspended')
  assert.equal((await catalog.find({ kind: 'id', id: bob.id }))?.epoch, 2)
  const other = parseTenantId('0190a0a0-0000-7000-8000-00000000000f')
  await database.superuser.query('update partywall.tenants set id = $2 where id = $1', [bob.id, other])
  assert.equal(await catalog.find({ kind: 'id', id: other }), undefined, 'an id never changes')
})

test('a gate that is moving is not opened by a change that has nothing to do with the status', async (t) => {
  const { database, catalog } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  await database.superuser.query("select partywall.set_gate($1, 'moving')", [bob.id])
  await catalog.update(bob.id, { name: 'Robert' })
  assert.equal(await gateOf(database, bob.id), 'moving')
})

test('the tables refuse what the code would refuse, should somebody write past it', async (t) => {
  const { database } = await catalogUnderTest(t)
  const insert = (columns: string, ...values: unknown[]) =>
    database.superuser.query(
      `insert into partywall.tenants (${columns}) values (${values.map((_, index) => `$${index + 1}`).join(', ')})`,
      values,
    )
  await insert('slug, name', 'fine-1', 'Fine')
  for (const slug of ['Acme', 'a--b', 'a-', '-a', '1a', 'a_b', 'a.b', 'pg-x', '', 'acme\n', 'ａ', 'é', 'x'.repeat(49)]) {
    await assert.rejects(insert('slug, name', slug, 'X'), { code: '23514' }, JSON.stringify(slug))
  }
  await assert.rejects(insert('slug, name', 'x', ' '), { code: '23514' })
  await assert.rejects(insert('slug, name, settings', 'x', 'X', '[]'), { code: '23514' })
  await assert.rejects(insert('slug, name, plan', 'x', 'X', 'Pro'), { code: '23514' })
  await assert.rejects(insert('slug, name, isolation', 'x', 'X', 'shared'), { code: '23514' })
})

test('the gatekeeper reads the catalog and writes nothing; the app does neither', async (t) => {
  const { catalog, reader, app } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob', domains: ['bob.example'] })
  assert.equal((await reader.query('select t.id from partywall.tenants as t')).length, 1)
  const writes = [
    "update partywall.tenants set status = 'suspended'",
    "insert into partywall.tenants (slug, name) values ('eve', 'Eve')",
    'delete from partywall.tenants',
    'truncate partywall.tenants cascade',
    'delete from partywall.tenant_domains',
    `select partywall.set_gate('${bob.id}', 'suspended')`,
    'alter table partywall.tenants disable trigger all',
  ]
  const reads = ['select * from partywall.tenants', 'select * from partywall.tenant_domains', 'select * from partywall.audit_trail']
  for (const statement of writes) await assert.rejects(reader.query(statement), { code: '42501' }, statement)
  for (const statement of [...writes, ...reads]) await assert.rejects(app.query(statement), { code: '42501' }, statement)
  assert.deepEqual(await catalog.find({ kind: 'domain', domain: 'bob.example' }), bob)
})

test('without the migrator’s login tenants are read, and a change says what is missing', async (t) => {
  const { catalog, reader } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  const readOnly = new PostgresCatalog({ reader })
  assert.deepEqual(await readOnly.find({ kind: 'slug', slug: bob.slug }), bob)
  for (const change of [
    () => readOnly.create({ slug: parseTenantSlug('carol'), name: 'Carol' }),
    () => readOnly.update(bob.id, { name: 'X' }),
    () => readOnly.setStatus(bob.id, 'suspended'),
  ]) {
    await assert.rejects(change, (error: Error) => error instanceof ConfigurationError && /partywall_migrator/.test(error.message))
  }
  await assert.rejects(readOnly.create({ slug: parseTenantSlug('carol'), name: '' }), InvalidInputError)
})

test('a notification carries nothing: whoever eavesdrops learns no tenant, and a forged one costs a look and tells nothing', async (t) => {
  const { catalog, app } = await catalogUnderTest(t)
  const eve = await app.dedicated()
  t.after(() => eve.end())
  const overheard: (string | undefined)[] = []
  let wake = () => {}
  eve.on('notification', (message) => {
    overheard.push(message.payload)
    wake()
  })
  await eve.query('listen partywall_catalog')
  const { heard, listener, until } = ears()
  const stop = await catalog.watch(listener)
  for (let index = 0; index < 50; index += 1) await eve.query("notify partywall_catalog, '0190a0a0-0000-7000-8000-00000000000a'")
  overheard.length = 0
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  while (!overheard.includes('')) {
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  await until((ids) => ids?.includes(bob.id) === true)
  assert.ok(heard.flat().every((id) => id === bob.id))
  assert.ok(overheard.every((payload) => payload === '' || payload === '0190a0a0-0000-7000-8000-00000000000a'))
  await stop()
})

test('a change that commits late is told all the same', async (t) => {
  const { catalog, writer } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  const carol = await catalog.create({ slug: parseTenantSlug('carol'), name: 'Carol' })
  const { heard, listener, until } = ears()
  const stop = await catalog.watch(listener)
  let toldBefore = 0
  await writer.transaction(async (slow) => {
    await slow.query("update partywall.tenants set name = 'Late' where id = $1", [bob.id])
    // Somebody else's change is made, committed and told in between.
    await catalog.update(carol.id, { name: 'Early' })
    await until((ids) => ids?.includes(carol.id) === true)
    toldBefore = heard.length
  })
  await until(() => heard.slice(toldBefore).some((ids) => ids?.includes(bob.id)))
  await stop()
})

test('a watch whose connection is cut says that anything may have changed, comes back by itself, and hears again', async (t) => {
  const { database, catalog } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  const { heard, listener, until } = ears()
  const stop = await catalog.watch(listener)
  for (let cut = 0; cut < 3; cut += 1) {
    heard.length = 0
    const killed = await database.superuser.query(
      "select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = current_database() and query = 'listen partywall_catalog'",
    )
    assert.equal(killed.length, 1)
    await until(() => heard.filter((ids) => ids === undefined).length >= 2)
    heard.length = 0
    await catalog.update(bob.id, { name: `Bob ${cut}` })
    await until((ids) => ids?.includes(bob.id) === true)
  }
  await stop()
})

test('a directory over PostgreSQL sees a suspension made by another process', async (t) => {
  const { database, catalog, reader } = await catalogUnderTest(t)
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  const { listener, until } = ears()
  const directory = await TenantDirectory.open({ catalog: new PostgresCatalog({ reader }), ttlMs: 3_600_000 })
  const stop = await catalog.watch(listener)
  assert.equal((await directory.get('bob')).id, bob.id)
  await database.superuser.query("update partywall.tenants set status = 'suspended' where id = $1", [bob.id])
  await until((ids) => ids?.includes(bob.id) === true)
  while ((await directory.findByRef('bob'))?.status === 'active') await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(directory.get('bob'), TenantSuspendedError)
  await assert.rejects(directory.get('carol'), TenantNotFoundError)
  await stop()
  await directory.close()
})

test('over a closed pool nothing is found, watched or changed', async (t) => {
  const { catalog, reader, writer } = await catalogUnderTest(t)
  await reader.close()
  await writer.close()
  await assert.rejects(catalog.find({ kind: 'slug', slug: parseTenantSlug('bob') }), ClosedError)
  await assert.rejects(
    catalog.watch(() => {}),
    ClosedError,
  )
  await assert.rejects(catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' }), ClosedError)
})
