// Oracles: what an error, a constraint, a plan or a statistic tells of rows that are not shown.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'
import { sharesTables } from '../support/isolation.ts'

describe('a tenant cannot ask by way of', () => {
  test('a unique key: another tenant’s value is free, one’s own is taken', async (t) => {
    const { tenancy } = await stage(t)
    const insert = (title: string) => tenancy.run('bob', () => tenancy.query('insert into notes (title) values ($1)', [title]))
    assert.equal((await insert(`carol's note 1`)).rowCount, 1)
    await assert.rejects(insert(`bob's note 1`), { code: '23505' })
  })

  test('a primary key: another tenant’s id is free, one’s own is taken', async (t) => {
    const here = await stage(t)
    const idOf = async (id: string) => (await here.alice<{ id: string }>('select id from notes where tenant_id = $1', [id]))[0]?.id
    const insert = async (id: string | undefined) =>
      await here.tenancy.run('bob', () => here.tenancy.query('insert into notes (id, title) values ($1, $2)', [id, 'probe']))
    assert.equal((await insert(await idOf(here.carol.id))).rowCount, 1)
    await assert.rejects(insert(await idOf(here.bob.id)), { code: '23505' })
  })

  test('a foreign key: another tenant’s folder and a folder that never was fail alike', async (t) => {
    const here = await stage(t)
    const folderOf = async (id: string) => (await here.alice<{ id: string }>('select id from folders where tenant_id = $1', [id]))[0]!.id
    const insert = async (folder: string) => {
      try {
        await here.tenancy.run('bob', () => here.tenancy.query('insert into notes (title, folder_id) values ($1, $2)', [folder, folder]))
        return 'accepted'
      } catch (error) {
        const { code, message, detail } = error as { code: string; message: string; detail?: string }
        return `${code} ${message} ${detail ?? ''}`.replaceAll(folder, '…')
      }
    }
    assert.equal(await insert(await folderOf(here.bob.id)), 'accepted')
    const theirs = await insert(await folderOf(here.carol.id))
    assert.match(theirs, /^23503/)
    assert.equal(theirs, await insert('00000000-0000-7000-8000-000000000000'))
  })

  test('a foreign key the other way: bob can neither block nor cascade into carol’s rows', async (t) => {
    const here = await stage(t)
    await here.tenancy.run('bob', () => here.tenancy.query('update notes set folder_id = null'))
    assert.equal((await here.tenancy.run('bob', () => here.tenancy.query('delete from folders'))).rowCount, 1)
    await assert.rejects(
      here.tenancy.run('carol', () => here.tenancy.query('delete from folders')),
      { code: '23503' },
    )
  })

  test('errors and leaky functions: only one’s own rows are ever evaluated', async (t) => {
    const here = await stage(t)
    // Costs next to nothing, so that the planner would love to run it first.
    await here.migrate(`
      create function shout(value text) returns boolean language plpgsql cost 0.0000001
        as $$ begin raise notice 'saw %', value; return true; end $$;
      grant execute on function shout(text) to partywall_app, partywall_tenants`)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    for (const text of [
      'select count(*) from notes where shout(body)',
      'select count(*) from notes as n join folders as f on shout(n.body) and shout(f.name)',
      `update notes set number = number where shout(body)`,
      'select count(*) from (select * from notes offset 0) as n where shout(n.body)',
      'select count(*) from notes group by body having shout(body)',
    ]) {
      const loot = await eve.attack([text], bob)
      assert.equal(loot.code, undefined, loot.text)
      assert.match(loot.text, /saw secret of bob/)
      assert.doesNotMatch(loot.text, /carol|dave/)
    }
    const division = `select count(*) from notes where 1 / (case when title like 'carol%' then 0 else 1 end) = 1`
    assert.equal((await eve.attack([division], bob)).code, undefined)
    assert.equal((await eve.attack([division.replace('carol', 'bob')], bob)).code, '22012')
    assert.equal((await eve.attack([`select body::integer from notes`], bob)).text.includes('secret of bob'), true)
  })

  test('the planner’s statistics: hidden behind policies, shown for global tables', async (t) => {
    const here = await stage(t)
    await here.alice('analyze notes, countries')
    const eve = await Eve.enter(here, t)
    assert.equal(await eve.count(`select count(*) from pg_stats where schemaname = current_schema() and tablename = 'notes'`), 0)
    assert.notEqual(await eve.count(`select count(*) from pg_stats where schemaname = current_schema() and tablename = 'countries'`), 0)
  })

  test('other statements: neither pg_stat_activity nor pg_stat_statements can be read', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    assert.equal((await eve.attack(['select query from pg_stat_activity'])).code, '42501')
    assert.equal((await eve.attack([`select pg_stat_get_backend_activity(1)`])).code, '42501')
    assert.equal((await eve.attack(['select query from pg_stat_statements'])).code, '42P01')
    // Through the library a capability is a parameter, so it is in no statement's text.
    await here.tenancy.run('bob', () => here.tenancy.query('select 1'))
    const [own] = await here.aliceIn<{ leaks: number }>(
      here.bob,
      `select count(*)::int as leaks from pg_stat_activity, partywall.capabilities as c where query like '%' || c.capability::text || '%' and usename = $1`,
      [here.placeOf(here.bob).login],
    )
    assert.equal(own?.leaks, 0)
  })
})

describe('known limits on a shared server, for whoever has full SQL (docs/guides/isolation.md):', () => {
  test('the size of a table, its estimated rows and EXPLAIN ANALYZE tell of the volume of all tenants in it', async (t) => {
    const here = await stage(t)
    await here.alice('analyze notes')
    const eve = await Eve.enter(here, t)
    // Tables of one's own tell of nobody else.
    const volume = sharesTables ? 3 * rowsPerTenant : rowsPerTenant
    assert.equal(await eve.count(`select reltuples::int as count from pg_class where oid = 'notes'::regclass`), volume)
    const bob = await capabilityOf(here, 'bob')
    const plan = await eve.attack(
      ['set local enable_indexscan = off', 'set local enable_bitmapscan = off', 'explain (analyze) select * from notes'],
      bob,
    )
    if (sharesTables) assert.match(plan.text, /Rows Removed by Filter: 10\b/)
    else assert.doesNotMatch(plan.text, /Rows Removed by Filter: \d\d?\b/)
    // An application cannot be made to do it by injection.
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('explain analyze select * from notes')),
      { code: 'PW_STATEMENT_REFUSED' },
    )
  })

  test('a plan by a key that begins with the tenant tells nothing of others', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    const plan = await eve.attack(
      ['set local enable_seqscan = off', `explain (analyze) select * from notes where title = 'carol''s note 1'`],
      bob,
    )
    assert.equal(plan.code, undefined)
    assert.doesNotMatch(plan.text, /Rows Removed/)
  })
})
