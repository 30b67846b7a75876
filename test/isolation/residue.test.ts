// Nothing is left behind: the connection that bob used is empty when carol gets it, or it is not given to her.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf } from '../support/eve.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

const onOneConnection = { pool: { connectionsMax: 1 } }
const pidAs = async (here: Stage, slug: string): Promise<number> =>
  (await here.tenancy.run(slug, () => here.tenancy.query<{ pid: number }>('select pg_backend_pid() as pid'))).rows[0]!.pid

/** A function of the application's own that does what a statement may not. */
const leaveBehind = `
  create function leave_behind(name text, value text) returns text language plpgsql as $$
    begin return set_config(name, value, false); end $$;
  grant execute on function leave_behind(text, text) to partywall_app, partywall_tenants`

describe('on one connection, or on one each, bob first and carol next:', () => {
  test('the capability is forgotten: after a statement, a failure, a transaction and its failure', async (t) => {
    const here = await stage(t, onOneConnection)
    const { tenancy } = here
    const bobs: (() => Promise<unknown>)[] = [
      () => tenancy.query('select * from notes'),
      () => tenancy.query('select 1 / 0'),
      () => tenancy.query('no such statement'),
      () => tenancy.transaction(async (tx) => await tx.query('select * from notes')),
      () =>
        tenancy.transaction(async (tx) => {
          await tx.query('select * from notes')
          throw new TypeError('the application failed')
        }),
      () => tenancy.transaction(async (tx) => await tx.query('select 1 / 0')),
    ]
    for (const act of bobs) {
      await tenancy.run('bob', act).catch(() => {})
      const { rows } = await tenancy.run('carol', () => tenancy.query<{ title: string }>('select title from notes'))
      assert.equal(rows.length, rowsPerTenant)
      assert.ok(rows.every((row) => row.title.startsWith('carol')))
    }
    const left = await here.alice(
      `select from pg_stat_activity where datname = current_database() and application_name = 'partywall' and state <> 'idle'`,
    )
    assert.equal(left.length, 0)
  })

  test('a session that carries a capability from before costs the connection its life', async (t) => {
    const here = await stage(t, onOneConnection)
    const before = await pidAs(here, 'bob')
    await here.migrate(leaveBehind)
    const bobs = await capabilityOf(here, 'bob')
    await here.tenancy.run('bob', () => here.tenancy.query(`select leave_behind('partywall.capability', $1)`, [bobs]))
    // Carol's statement is carol's; its connection is not used again.
    const { rows } = await here.tenancy.run('carol', () =>
      here.tenancy.query<{ body: string; pid: number }>('select body, pg_backend_pid() as pid from notes'),
    )
    assert.deepEqual(new Set(rows.map((row) => row.body)), new Set(['secret of carol']))
    if (hasOwnDatabase) {
      // The session is bob's alone, and bob's capability is what it carries anyway. One that is nobody's is replaced.
      assert.notEqual(rows[0]?.pid, before)
      for (const value of ['', '00000000-0000-4000-8000-000000000000', await capabilityOf(here, 'carol')]) {
        await here.tenancy.run('bob', () => here.tenancy.query(`select leave_behind('partywall.capability', $1)`, [value]))
        const own = await here.tenancy.run('bob', () => here.tenancy.query<{ body: string }>('select body from notes'))
        assert.deepEqual(new Set(own.rows.map((row) => row.body)), new Set(['secret of bob']))
      }
      return
    }
    assert.equal(rows[0]?.pid, before)
    assert.notEqual(await pidAs(here, 'bob'), before)
  })

  test('a reported setting that was changed for the session costs the connection its life', async (t) => {
    const here = await stage(t, onOneConnection)
    await here.migrate(leaveBehind)
    const before = await pidAs(here, 'bob')
    await here.tenancy.run('bob', () => here.tenancy.query(`select leave_behind('TimeZone', 'Asia/Tokyo')`))
    assert.notEqual(await pidAs(here, 'carol'), before)
    assert.notEqual(await pidAs(here, 'bob'), before)
  })

  test('a search path that was changed for the session leads nobody anywhere', async (t) => {
    const here = await stage(t, onOneConnection)
    await here.migrate(leaveBehind)
    for (const path of ['pg_catalog', `${here.carol.placement.schema}, pg_temp`, `"$user", public`]) {
      await here.tenancy.run('bob', () => here.tenancy.query(`select leave_behind('search_path', $1)`, [path]))
      for (const slug of ['bob', 'carol'] as const) {
        const { rows } = await here.tenancy.run(slug, () =>
          here.tenancy.query<{ body: string; schema: string }>('select body, current_schema() as schema from notes'),
        )
        assert.deepEqual(
          new Set(rows.map((row) => `${row.body} in ${row.schema}`)),
          new Set([`secret of ${slug} in ${here[slug].placement.schema}`]),
        )
      }
    }
  })

  test('what would stay in the session is refused, and the connection lives on', async (t) => {
    const here = await stage(t, onOneConnection)
    const before = await pidAs(here, 'bob')
    const texts = [
      'declare c cursor with hold for select * from notes',
      'prepare p as select * from notes',
      'listen a',
      'create temp table t (a text)',
      'select pg_advisory_lock(1)',
      `set partywall.capability = 'x'`,
      `update pg_settings set setting = '1' where name = 'lock_timeout'`,
      `select * from ts_stat('select to_tsvector(set_config(''lock_timeout'', ''1'', false))')`,
    ]
    for (const text of texts) {
      const refused = { code: 'PW_STATEMENT_REFUSED' }
      await assert.rejects(
        here.tenancy.run('bob', () => here.tenancy.query(text)),
        refused,
        text,
      )
      await assert.rejects(
        here.tenancy.run('bob', () => here.tenancy.transaction((tx) => tx.query(text))),
        refused,
        text,
      )
    }
    assert.equal(await pidAs(here, 'bob'), before)
    assert.equal((await pidAs(here, 'carol')) === before, !hasOwnDatabase)
    const [session] = (
      await here.tenancy.run(hasOwnDatabase ? 'bob' : 'carol', () =>
        here.tenancy.query<{ cursors: number; locks: number }>(
          `select (select count(*)::int from pg_cursors where is_holdable) as cursors,
                  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`,
        ),
      )
    ).rows
    assert.deepEqual(session, { cursors: 0, locks: 0 })
  })

  test('settings of one statement end with it', async (t) => {
    const here = await stage(t, onOneConnection)
    const timeout = async (timeoutMs?: number) =>
      (await here.tenancy.run('bob', () => here.tenancy.query<{ statement_timeout: string }>('show statement_timeout', [], { timeoutMs })))
        .rows[0]?.statement_timeout
    assert.equal(await timeout(1_234), '1234ms')
    assert.equal(await timeout(), '30s')
    assert.equal(await timeout(3_600_000), '30s')
  })

  test('where sessions are a pooler’s (prepare: false), all is bound for one transaction, also in a database of one’s own', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1, prepare: false } })
    const { tenancy } = here
    for (let turn = 0; turn < 4; turn++) {
      for (const slug of ['bob', 'carol']) {
        const own = (rows: readonly { title: string }[]) => {
          assert.equal(rows.length, rowsPerTenant)
          assert.ok(rows.every(({ title }) => title.startsWith(slug)))
        }
        const text = 'select title from notes'
        await tenancy.run(slug, async () => {
          own((await tenancy.query<{ title: string }>(text, [], { timeoutMs: 5_000 })).rows)
          own((await tenancy.transaction((tx) => tx.query<{ title: string }>(text))).rows)
          own(await Array.fromAsync(tenancy.stream<{ title: string }>(text, [], { batchSize: 2 })))
        })
      }
    }
  })

  test('an open stream that is dropped leaves no portal and no transaction', async (t) => {
    const here = await stage(t, onOneConnection)
    await here.tenancy.run('bob', async () => {
      for await (const _ of here.tenancy.stream('select * from notes', [], { batchSize: 1 })) break
    })
    const { rows } = await here.tenancy.run('carol', () => here.tenancy.query('select name from pg_cursors where name <> $1', ['']))
    assert.deepEqual(rows, [])
    const count = hasOwnDatabase ? 2 : 1
    assert.deepEqual(here.tenancy.stats().connections, { open: count, idle: count })
  })
})
