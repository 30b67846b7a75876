// Side doors, one by one: views, functions, partitions, materialized views, COPY, notifications, locks. Each is opened as a
// migration might by mistake, and what then holds (or what the boot gate says) is shown.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type pg from 'pg'
import { createTenancy } from '../../src/tenancy.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'

const countAs = async (here: Stage, slug: string, text: string): Promise<number | null> =>
  (await here.tenancy.run(slug, () => here.tenancy.query(text))).rowCount

/** Would an application start on this database? The rules that say no. */
async function refusals(here: Stage): Promise<readonly string[]> {
  try {
    const { urls } = here.database
    const tenancy = await createTenancy({ catalog: urls.gatekeeper, database: urls.app })
    await tenancy.close()
    return []
  } catch (error) {
    const { findings } = (error as { details: { findings: readonly { rule: string; object: string }[] } }).details
    return findings.map(({ rule, object }) => `${rule} ${object}`)
  }
}

async function migrate(here: Stage, text: string): Promise<void> {
  await here.database.superuser.query(`set role partywall_owner; ${text}; reset role;`)
}

describe('views:', () => {
  test('an invoker’s view shows one’s own rows', async (t) => {
    const here = await stage(t)
    await migrate(
      here,
      `create view app.titles with (security_invoker) as select title from app.notes; grant select on app.titles to partywall_app`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from titles'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
  })

  test('a definer’s view is refused at start; until then FORCE holds its owner to the bound tenant', async (t) => {
    const here = await stage(t)
    await migrate(here, 'create view app.titles as select title from app.notes; grant select on app.titles to partywall_app')
    assert.equal(await countAs(here, 'bob', 'select * from titles'), rowsPerTenant)
    assert.deepEqual(await refusals(here), ['definer_view app.titles'])
  })

  test('a superuser’s view shows everybody’s rows: that is why no definer’s view is let through', async (t) => {
    const here = await stage(t)
    await here.database.superuser.query(
      'create view app.titles as select title from app.notes; grant select on app.titles to partywall_app',
    )
    assert.equal(await countAs(here, 'bob', 'select * from titles'), 3 * rowsPerTenant)
    assert.deepEqual(await refusals(here), ['definer_view app.titles'])
  })

  test('a materialized view is refused at start', async (t) => {
    const here = await stage(t)
    await here.database.superuser.query(
      'create materialized view app.titles as select title from app.notes; grant select on app.titles to partywall_app',
    )
    assert.equal(await countAs(here, 'bob', 'select * from titles'), 3 * rowsPerTenant)
    assert.deepEqual(await refusals(here), ['materialized_view app.titles'])
  })
})

describe('functions:', () => {
  test('an invoker’s function, inlined or not, shows one’s own rows', async (t) => {
    const here = await stage(t)
    await migrate(
      here,
      `create function app.inlined() returns setof app.notes language sql stable as 'select * from app.notes';
       create function app.opaque() returns setof app.notes language plpgsql as 'begin return query select * from app.notes; end';
       grant execute on function app.inlined(), app.opaque() to partywall_app`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from inlined()'), rowsPerTenant)
    assert.equal(await countAs(here, 'carol', 'select * from opaque()'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
  })

  test('a superuser’s definer function shows everybody’s rows and is refused at start; the owner’s is held by FORCE', async (t) => {
    const here = await stage(t)
    const body = `language sql security definer set search_path = pg_catalog, pg_temp as 'select * from app.notes'`
    await migrate(
      here,
      `create function app.owned() returns setof app.notes ${body}; grant execute on function app.owned() to partywall_app`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from owned()'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
    await here.database.superuser.query(`create function app.open() returns setof app.notes ${body}`)
    assert.equal(await countAs(here, 'bob', 'select * from app.open()'), 3 * rowsPerTenant)
    assert.deepEqual(await refusals(here), ['definer_function app.open()'])
  })
})

describe('partitions:', () => {
  const tables = `
    create table app.events (
      tenant_id uuid not null, id uuid not null default partywall.uuidv7(), at date not null default current_date, body text,
      constraint events_pkey primary key (tenant_id, id, at)
    ) partition by range (at);
    create table app.events_old partition of app.events for values from (minvalue) to ('2020-01-01');
    create table app.events_new partition of app.events for values from ('2020-01-01') to (maxvalue);
    select partywall.protect('app.events')`

  test('rows are reached through the root alone', async (t) => {
    const here = await stage(t)
    await migrate(here, tables)
    for (const { id } of [here.bob, here.carol]) {
      await here.alice(`insert into app.events (tenant_id, at) values ($1, '2019-01-01'), ($1, '2025-01-01')`, [id])
    }
    assert.equal(await countAs(here, 'bob', 'select * from events'), 2)
    for (const text of [
      'select * from events_old',
      'delete from events_new',
      `insert into events_new (tenant_id) values ('${here.carol.id}')`,
    ]) {
      await assert.rejects(countAs(here, 'bob', text), { code: '42501' }, text)
    }
    // An update that moves a row to another partition is a delete and an insert: both are walled.
    assert.equal(await countAs(here, 'bob', `update events set at = at + 1000`), 2)
    await assert.rejects(countAs(here, 'bob', `update events set tenant_id = '${here.carol.id}', at = at + 1000`), {
      code: 'PW_POLICY_VIOLATION',
    })
    assert.deepEqual(await refusals(here), [])
  })

  test('a new partition that the app may name is refused at start, until protect() is called again', async (t) => {
    const here = await stage(t)
    await migrate(
      here,
      `${tables}; create table app.events_default partition of app.events default; grant select on app.events_default to partywall_app`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from events_default'), 0)
    assert.deepEqual(await refusals(here), ['unprotected_table app.events_default'])
    await migrate(here, `select partywall.protect('app.events')`)
    assert.deepEqual(await refusals(here), [])
    await assert.rejects(countAs(here, 'bob', 'select * from events_default'), { code: '42501' })
  })
})

describe('copies:', () => {
  test('COPY TO shows one’s own rows; a table made from a protected one is out of reach', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    await eve.client.query('begin')
    await eve.bind(await capabilityOf(here, 'bob'))
    const copied = await copyOut(eve.client, 'copy (select title from app.notes) to stdout')
    assert.equal(copied.trim().split('\n').length, rowsPerTenant)
    assert.doesNotMatch(copied, /carol|dave/)
    await eve.client.query('rollback')
    await here.database.superuser.query(
      'create table app.copied as select * from app.notes; create table app.liked (like app.notes including all)',
    )
    for (const table of ['copied', 'liked']) {
      await assert.rejects(countAs(here, 'bob', `select * from ${table}`), { code: '42501' }, table)
    }
  })
})

describe('known limits, for whoever has full SQL and the app’s login (docs/guides/isolation.md):', () => {
  test('channels have no owner: what a notification says is never believed', async (t) => {
    const here = await stage(t)
    const [eve, ear] = [await Eve.enter(here, t), await Eve.enter(here, t)]
    const heard = new Promise<string>((resolve) => ear.client.once('notification', ({ payload }) => resolve(payload ?? '')))
    await ear.client.query('listen partywall_catalog')
    await eve.client.query(`notify partywall_catalog, 'resume dave'`)
    assert.equal(await heard, 'resume dave')
    // The catalog reads its tables and not the payload: dave stays suspended, and what the catalog itself says is empty.
    await assert.rejects(
      here.tenancy.run('dave', async () => {}),
      { code: 'PW_TENANT_SUSPENDED' },
    )
    const told = new Promise<string>((resolve) => ear.client.once('notification', ({ payload }) => resolve(payload ?? '')))
    await here.tenancy.tenants.update('bob', { name: 'Robert' })
    assert.equal(await told, '')
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('listen partywall_catalog')),
      { code: 'PW_STATEMENT_REFUSED' },
    )
  })

  test('transaction-level advisory locks are one space for all; session-level ones are refused', async (t) => {
    const here = await stage(t)
    const [one, two] = [await Eve.enter(here, t), await Eve.enter(here, t)]
    await one.client.query('begin')
    await one.client.query('select pg_advisory_xact_lock(7)')
    assert.deepEqual((await two.client.query('select pg_try_advisory_xact_lock(7) as free')).rows, [{ free: false }])
    await one.client.query('commit')
    assert.equal((await one.attack(['select pg_advisory_lock(7)'])).code, '42501')
  })

  test('a table lock stops other tenants until their lock timeout; through the library it is refused', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    await eve.client.query('begin')
    await eve.client.query('lock table app.notes in access exclusive mode')
    await assert.rejects(
      here.tenancy.run('carol', () => here.tenancy.query('select * from notes', [], { timeoutMs: 200 })),
      { code: 'PW_STATEMENT_TIMEOUT' },
    )
    await eve.client.query('rollback')
    assert.equal(await countAs(here, 'carol', 'select * from notes'), rowsPerTenant)
    await assert.rejects(countAs(here, 'bob', 'lock table notes'), { code: 'PW_STATEMENT_REFUSED' })
  })

  test('a session reads its own capability: worth minutes, for the tenant that had it anyway', async (t) => {
    const here = await stage(t)
    const { rows } = await here.tenancy.run('bob', () =>
      here.tenancy.query<{ own: string }>(`select current_setting('partywall.capability') as own`),
    )
    const eve = await Eve.enter(here, t)
    const loot = await eve.attack(['select title from app.notes'], rows[0]!.own)
    assert.match(loot.text, /bob's note/)
    assert.doesNotMatch(loot.text, /carol/)
  })
})

/** What COPY … TO STDOUT sends. */
async function copyOut(client: pg.Client, text: string): Promise<string> {
  const chunks: Buffer[] = []
  const wire = (client as unknown as { connection: NodeJS.EventEmitter }).connection
  const collect = ({ chunk }: { chunk: Buffer }): void => void chunks.push(chunk)
  wire.on('copyData', collect)
  await client.query(text)
  wire.off('copyData', collect)
  return Buffer.concat(chunks).toString()
}
