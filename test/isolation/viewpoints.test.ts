// One viewpoint after another over the same rows: as bob, as carol, with no tenant, as the owner. For each thing allowed, the
// thing refused beside it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve, fingerprint } from '../support/eve.ts'
import { hasOwnDatabase, isolation, sharesTables } from '../support/isolation.ts'

const countAs = async (here: Stage, slug: string, text: string, values: readonly unknown[] = []): Promise<number | null> =>
  (await here.tenancy.run(slug, () => here.tenancy.query(text, values))).rowCount

describe('as bob, and then as carol:', () => {
  test('each reads all of its own rows and none of the other’s, through every kind of statement', async (t) => {
    const here = await stage(t)
    for (const slug of ['bob', 'carol']) {
      const other = slug === 'bob' ? 'carol' : 'bob'
      const seen = async (text: string, values: readonly unknown[] = []) => await countAs(here, slug, text, values)
      assert.equal(await seen('select * from notes'), rowsPerTenant)
      assert.equal(await seen('select * from notes as n join folders as f on f.id = n.folder_id'), rowsPerTenant)
      assert.equal(await seen('select * from notes where tenant_id = $1', [here[other].id]), 0)
      assert.equal(await seen('select * from notes where title = $1', [`${other}'s note 1`]), 0)
      assert.equal(await seen('select * from notes where title = $1', [`${slug}'s note 1`]), 1)
      assert.equal(await seen('select * from countries'), 2)
    }
  })

  test('a name means what is in the tenant’s schema, and is found nowhere else', async (t) => {
    const here = await stage(t)
    const path = `select current_setting('search_path') as path`
    await here.alice(
      'create table if not exists public.strays (); grant usage on schema public to public; grant select on public.strays to public',
    )
    for (const slug of ['bob', 'carol'] as const) {
      await here.tenancy.run(slug, async () => {
        const expected = [{ path: `${here[slug].placement.schema}, pg_temp` }]
        assert.deepEqual((await here.tenancy.query(path)).rows, expected)
        assert.deepEqual((await here.tenancy.transaction((tx) => tx.query(path))).rows, expected)
        assert.deepEqual((await here.tenancy.query(path, [], { timeoutMs: 5_000 })).rows, expected)
        await assert.rejects(here.tenancy.query('select from strays'), { code: '42P01' })
      })
    }
  })

  test('a blind UPDATE and a blind DELETE, without WHERE or RETURNING, touch one’s own rows alone', async (t) => {
    const here = await stage(t)
    const truth = await fingerprint(here, here.carol.id)
    assert.equal(await countAs(here, 'bob', `update notes set body = 'blind'`), rowsPerTenant)
    assert.equal(await fingerprint(here, here.carol.id), truth)
    await assert.rejects(countAs(here, 'bob', 'update notes set tenant_id = $1', [here.carol.id]), { code: 'PW_POLICY_VIOLATION' })
    assert.equal(await countAs(here, 'bob', 'delete from notes'), rowsPerTenant)
    assert.equal(await fingerprint(here, here.carol.id), truth)
    const left = await here.alice<{ tenant_id: string }>('select tenant_id from notes')
    assert.deepEqual(
      [here.bob, here.carol, here.dave].map(({ id }) => left.filter((row) => row.tenant_id === id).length),
      [0, rowsPerTenant, rowsPerTenant],
    )
  })

  test('a row belongs to whoever writes it, said or unsaid; to nobody else, said or unsaid', async (t) => {
    const here = await stage(t)
    const insert = 'insert into notes (tenant_id, title) values ($1, $2)'
    assert.equal(await countAs(here, 'bob', 'insert into notes (title) values ($1)', ['unsaid']), 1)
    assert.equal(await countAs(here, 'bob', insert, [here.bob.id, 'said']), 1)
    for (const stranger of [here.carol.id, here.dave.id, null]) {
      await assert.rejects(countAs(here, 'bob', insert, [stranger, 'stranger']), { code: 'PW_POLICY_VIOLATION' })
    }
    const rows = await here.alice<{ tenant_id: string }>(`select tenant_id from notes where title in ('said', 'unsaid', 'stranger')`)
    assert.deepEqual(rows, [{ tenant_id: here.bob.id }, { tenant_id: here.bob.id }])
  })

  test('an upsert changes one’s own row, and finds no other', async (t) => {
    const here = await stage(t)
    const upsert = `insert into notes (tenant_id, title) values ($1, $2) on conflict (tenant_id, title) do update set body = 'upserted'`
    assert.equal(await countAs(here, 'bob', upsert, [here.bob.id, `bob's note 1`]), 1)
    // Carol's title is free for bob: keys begin with the tenant.
    assert.equal(await countAs(here, 'bob', upsert, [here.bob.id, `carol's note 1`]), 1)
    await assert.rejects(countAs(here, 'bob', upsert, [here.carol.id, `carol's note 1`]), { code: 'PW_POLICY_VIOLATION' })
    assert.equal(await countAs(here, 'carol', `select from notes where body = 'upserted'`), 0)
  })

  test('MERGE matches one’s own rows and nobody else’s', async (t) => {
    const here = await stage(t)
    const merge = `merge into notes as n using (values ($1::text)) as v (title) on n.title = v.title
                    when matched then update set body = 'merged' when not matched then do nothing`
    assert.equal(await countAs(here, 'bob', merge, [`bob's note 1`]), 1)
    assert.equal(await countAs(here, 'bob', merge, [`carol's note 1`]), 0)
    assert.equal(await countAs(here, 'carol', `select from notes where body = 'merged'`), 0)
  })

  test('a prepared statement serves two tenants in turn, past the sixth execution, on one connection (or each on its own)', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    for (let turn = 0; turn < 16; turn++) {
      const slug = turn % 2 === 0 ? 'bob' : 'carol'
      const { rows } = await here.tenancy.run(slug, () =>
        here.tenancy.query<{ title: string }>('select title from notes where number <= $1', [100]),
      )
      assert.equal(rows.length, rowsPerTenant)
      assert.ok(rows.every((row) => row.title.startsWith(slug)))
    }
    assert.equal(here.tenancy.stats().connections.open, hasOwnDatabase ? 2 : 1)
  })
})

describe('with no tenant:', () => {
  test('every door throws before anything is sent, and each opens with a tenant', async (t) => {
    const { tenancy } = await stage(t)
    const doors: Readonly<Record<string, () => unknown>> = {
      query: () => tenancy.query('select 1'),
      transaction: () => tenancy.transaction(async (tx) => await tx.query('select 1')),
      stream: async () => await Array.fromAsync(tenancy.stream('select 1')),
      cache: () => tenancy.cache(),
      current: async () => tenancy.current(),
    }
    for (const [name, door] of Object.entries(doors)) {
      await assert.rejects(async () => await door(), { code: 'PW_NO_TENANT' }, name)
      await tenancy.run('bob', async () => await door())
    }
    assert.equal(tenancy.tryCurrent(), undefined)
  })

  test('the app’s login alone is nobody: nothing is read and nothing written', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const statements = [
      'select * from notes',
      'select count(*) from folders',
      `insert into notes (tenant_id, title) values ('${here.bob.id}', 'x')`,
      `insert into notes (title) values ('x')`,
      `update notes set body = 'x'`,
      'delete from notes',
    ]
    for (const text of statements) assert.equal((await eve.attack([text])).code, 'PW001', text)
    const bob = await capabilityOf(here, 'bob')
    assert.equal((await eve.attack(statements.slice(0, 3), bob)).code, undefined)
  })
})

describe('as the owner:', () => {
  test('policies hold for the owner and the migrator too, as long as they are forced', async (t) => {
    const here = await stage(t)
    const { client: migrator } = await Eve.enter(here, t, { login: 'migrator' })
    assert.deepEqual((await migrator.query('select current_user::text as role')).rows, [{ role: 'partywall_owner' }])
    await assert.rejects(migrator.query('select * from notes'), { code: 'PW001' })
    await assert.rejects(migrator.query(`update notes set body = 'x'`), { code: 'PW001' })
    await migrator.query('alter table notes no force row level security')
    assert.equal((await migrator.query('select * from notes')).rowCount, sharesTables ? 3 * rowsPerTenant : rowsPerTenant)
  })

  test('the gatekeeper issues capabilities and reads no tenant’s row', async (t) => {
    const here = await stage(t)
    if (hasOwnDatabase) {
      // It has no business in a database of one's own, and does not get in.
      await assert.rejects(Eve.enter(here, t, { login: 'gatekeeper' }), { code: '42501' })
      return
    }
    const eve = await Eve.enter(here, t, { login: 'gatekeeper' })
    for (const text of ['select * from notes', `delete from notes`, 'select * from partywall.capabilities', 'set role partywall_owner']) {
      // A schema of a tenant's own is none of the gatekeeper's: unqualified names are not even found there.
      const refused = isolation === 'schema' && text.endsWith('notes') ? '42P01' : '42501'
      assert.equal((await eve.attack([text], await capabilityOf(here, 'bob'))).code, refused, text)
    }
    const { rows } = await eve.client.query(`select capability from partywall.issue(array[$1]::uuid[], '1 minute', 'test')`, [here.bob.id])
    assert.equal(rows.length, 1)
  })

  test('a superuser sees all: such a login must never serve an application', async (t) => {
    const here = await stage(t)
    assert.equal((await here.alice('select from notes')).length, 3 * rowsPerTenant)
  })
})
