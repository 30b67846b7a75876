// Side doors, one by one: views, functions, partitions, materialized views, COPY, notifications, locks. Each is opened as a
// migration might by mistake, and what then holds (or what the boot gate says) is shown.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import pg from 'pg'
import { type BootFinding, bootFindings } from '../../src/postgres/boot-gate.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'
import { hasOwnDatabase, sharesTables } from '../support/isolation.ts'

const countAs = async (here: Stage, slug: string, text: string): Promise<number | null> =>
  (await here.tenancy.run(slug, () => here.tenancy.query(text))).rowCount

/** Is it safe where bob lives? The rules that say no. Of the catalog's own database an application asks them when it starts. */
async function refusals(here: Stage): Promise<readonly string[]> {
  const { database, login, placement } = here.placeOf(here.bob)
  if (sharesTables) return await refusalsAtStart(here)
  return (await bootFindings(database.superuser, login)).map(inWords).filter((words) => words.includes(placement.schema))
}

async function refusalsAtStart(here: Stage): Promise<readonly string[]> {
  try {
    const tenancy = await createTenancy(here.access)
    await tenancy.close()
    return []
  } catch (error) {
    return (error as { details: { findings: readonly BootFinding[] } }).details.findings.map(inWords)
  }
}

const inWords = ({ rule, object }: BootFinding): string => `${rule} ${object}`
/** As a finding names what is in bob's schema. */
const at = (here: Stage, name: string): string => `${here.bob.placement.schema}.${name}`
/** Who is in one table. */
const everybody = sharesTables ? 3 * rowsPerTenant : rowsPerTenant

const migrate = async (here: Stage, text: string): Promise<void> => await here.migrate(text)

describe('views:', () => {
  test('an invoker’s view shows one’s own rows', async (t) => {
    const here = await stage(t)
    await migrate(
      here,
      `create view titles with (security_invoker) as select title from notes; grant select on titles to partywall_app, partywall_tenants`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from titles'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
  })

  test('a definer’s view is refused at start; until then FORCE holds its owner to the bound tenant', async (t) => {
    const here = await stage(t)
    await migrate(here, 'create view titles as select title from notes; grant select on titles to partywall_app, partywall_tenants')
    assert.equal(await countAs(here, 'bob', 'select * from titles'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [`definer_view ${at(here, 'titles')}`])
  })

  test('a superuser’s view shows everybody’s rows: that is why no definer’s view is let through', async (t) => {
    const here = await stage(t)
    await here.alice('create view titles as select title from notes; grant select on titles to partywall_app, partywall_tenants')
    assert.equal(await countAs(here, 'bob', 'select * from titles'), everybody)
    assert.deepEqual(await refusals(here), [`definer_view ${at(here, 'titles')}`])
  })

  test('a materialized view is refused at start', async (t) => {
    const here = await stage(t)
    await here.alice(
      'create materialized view titles as select title from notes; grant select on titles to partywall_app, partywall_tenants',
    )
    assert.equal(await countAs(here, 'bob', 'select * from titles'), everybody)
    assert.deepEqual(await refusals(here), [`materialized_view ${at(here, 'titles')}`])
  })
})

describe('functions:', () => {
  test('an invoker’s function, inlined or not, shows one’s own rows', async (t) => {
    const here = await stage(t)
    await migrate(
      here,
      `create function inlined() returns setof notes language sql stable as 'select * from notes';
       create function opaque() returns setof notes language plpgsql as 'begin return query select * from notes; end';
       grant execute on function inlined(), opaque() to partywall_app, partywall_tenants`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from inlined()'), rowsPerTenant)
    assert.equal(await countAs(here, 'carol', 'select * from opaque()'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
  })

  test('a superuser’s definer function shows everybody’s rows and is refused at start; the owner’s is held by FORCE', async (t) => {
    const here = await stage(t)
    const body = `language sql security definer as 'select * from notes'`
    await migrate(
      here,
      `create function owned() returns setof notes ${body}; grant execute on function owned() to partywall_app, partywall_tenants`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from owned()'), rowsPerTenant)
    assert.deepEqual(await refusals(here), [])
    await here.alice(`create function open() returns setof notes ${body}`)
    assert.equal(await countAs(here, 'bob', 'select * from open()'), everybody)
    assert.deepEqual(await refusals(here), [`definer_function ${at(here, 'open()')}`])
  })
})

describe('partitions:', () => {
  const tables = `
    create table events (
      tenant_id uuid not null, id uuid not null default partywall.uuidv7(), at date not null default current_date, body text,
      constraint events_pkey primary key (tenant_id, id, at)
    ) partition by range (at);
    create table events_old partition of events for values from (minvalue) to ('2020-01-01');
    create table events_new partition of events for values from ('2020-01-01') to (maxvalue);
    select partywall.protect('events')`

  test('rows are reached through the root alone', async (t) => {
    const here = await stage(t)
    await migrate(here, tables)
    for (const tenant of [here.bob, here.carol]) {
      await here.aliceIn(tenant, `insert into events (tenant_id, at) values ($1, '2019-01-01'), ($1, '2025-01-01')`, [tenant.id])
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
      `${tables}; create table events_default partition of events default; grant select on events_default to partywall_app, partywall_tenants`,
    )
    assert.equal(await countAs(here, 'bob', 'select * from events_default'), 0)
    assert.deepEqual(await refusals(here), [`unprotected_table ${at(here, 'events_default')}`])
    await migrate(here, `select partywall.protect('events')`)
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
    const copied = await copyOut(eve.client, 'copy (select title from notes) to stdout')
    assert.equal(copied.trim().split('\n').length, rowsPerTenant)
    assert.doesNotMatch(copied, /carol|dave/)
    await eve.client.query('rollback')
    await here.alice('create table copied as select * from notes; create table liked (like notes including all)')
    for (const table of ['copied', 'liked']) {
      await assert.rejects(countAs(here, 'bob', `select * from ${table}`), { code: '42501' }, table)
    }
  })
})

describe('known limits, for whoever has full SQL and the app’s login (docs/guides/isolation.md):', () => {
  test('channels have no owner: what a notification says is never believed', async (t) => {
    const here = await stage(t)
    const ear = new pg.Client({ connectionString: here.database.urls.gatekeeper })
    await ear.connect()
    t.after(() => ear.end())
    // Out of a database of bob's own nobody is heard in the catalog's. The shared login gets there.
    const eve = hasOwnDatabase ? (await Eve.enter(here, t)).client : new pg.Client({ connectionString: here.database.urls.app })
    if (!hasOwnDatabase) {
      await eve.connect()
      t.after(() => eve.end())
    }
    const heard = new Promise<string>((resolve) => ear.once('notification', ({ payload }) => resolve(payload ?? '')))
    await ear.query('listen partywall_catalog')
    await eve.query(`notify partywall_catalog, 'resume dave'`)
    if (!hasOwnDatabase) assert.equal(await heard, 'resume dave')
    // The catalog reads its tables and not the payload: dave stays suspended, and what the catalog itself says is empty.
    await assert.rejects(
      here.tenancy.run('dave', async () => {}),
      { code: 'PW_TENANT_SUSPENDED' },
    )
    const told = new Promise<string>((resolve) => ear.once('notification', ({ payload }) => resolve(payload ?? '')))
    await here.tenancy.tenants.update('bob', { name: 'Robert' })
    assert.equal(await told, '')
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('listen partywall_catalog')),
      { code: 'PW_STATEMENT_REFUSED' },
    )
  })

  test('transaction-level advisory locks are one space for all of a database; session-level ones are refused', async (t) => {
    const here = await stage(t)
    const [one, two] = [await Eve.enter(here, t), await Eve.enter(here, t, { of: here.carol })]
    await one.client.query('begin')
    await one.client.query('select pg_advisory_xact_lock(7)')
    assert.deepEqual((await two.client.query('select pg_try_advisory_xact_lock(7) as free')).rows, [{ free: hasOwnDatabase }])
    await one.client.query('commit')
    assert.equal((await one.attack(['select pg_advisory_lock(7)'])).code, '42501')
  })

  test('a table lock stops other tenants of the table until their lock timeout; through the library it is refused', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    await eve.client.query('begin')
    await eve.client.query('lock table notes in access exclusive mode')
    const within = (slug: string) => here.tenancy.run(slug, () => here.tenancy.query('select * from notes', [], { timeoutMs: 200 }))
    await assert.rejects(within('bob'), { code: 'PW_STATEMENT_TIMEOUT' })
    // Who has tables of one's own waits for nobody.
    if (sharesTables) await assert.rejects(within('carol'), { code: 'PW_STATEMENT_TIMEOUT' })
    else assert.equal((await here.tenancy.run('carol', () => here.tenancy.query('select * from notes'))).rowCount, rowsPerTenant)
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
    const loot = await eve.attack(['select title from notes'], rows[0]!.own)
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
