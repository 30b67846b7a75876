// What moves left behind is removed wherever it is; what open ones use, and what is not ours, is left alone.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { MemorySecretStore } from '../../../src/core/memory-secret-store.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { createPrivateDatabase } from '../../../src/postgres/database.ts'
import { findLeftovers, type Leftover, type LeftoverFleet, reapLeftovers } from '../../../src/postgres/moves/leftovers.ts'
import { dropTransferLogin, ensureTransferLogin, transferLoginName } from '../../../src/postgres/transfer-login.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'
import { catalogReader, found, movableMigrations, needsMoves, schemaFor, situationOf } from '../../support/move-checks.ts'
import { urlFor } from '../../support/template.ts'

let made: Fleet
let reader: ControlPool
let tenant: PlacedTenant
let fleetOf: LeftoverFleet
/** The second server, by its name in the catalog. */
let other: string

const secrets = new MemorySecretStore()

/** Statements of a superuser; a place is a server and a database there. */
const alice = (text: string, { server = 'main', database = made.catalog.name } = {}) =>
  made.connections.asAdministrator(server, (admin) => admin.query<{ name: string }>(text), database)

const hex = (id: string): string => id.replaceAll('-', '')
const names = (leftovers: readonly Leftover[]): readonly string[] => leftovers.map(({ kind, name }) => `${kind} ${name}`).sort()

async function moveOf(state: 'done' | 'following'): Promise<string> {
  const id = randomUUID()
  await made.connections.asMigrator('main', (control) =>
    control.query(
      `insert into partywall.moves (id, tenant_id, state, source, target, actor_kind, actor_id, reason, fence, finished_at)
       values ($1, $2, $3, '{}', '{}', 'system', 'test', 'test', 1, case $3 when 'done' then now() end)`,
      [id, randomUUID(), state],
    ),
  )
  return id
}

/** As a move makes it, between the catalog's database and the one for schemas; running, and of a table that is being copied. */
async function replicate(id: string): Promise<void> {
  const name = `pw_mv_${hex(id)}`
  const url = urlFor(made.catalog.urls.superuser, made.catalog.name)
  await alice(`create publication ${name} for table app.countries`)
  await alice(`select pg_create_logical_replication_slot('${name}_1', 'pgoutput')`)
  await alice(
    `create subscription ${name}_1 connection '${url}' publication ${name} with (create_slot = false, slot_name = '${name}_1', copy_data = false)`,
    { database: made.schemas },
  )
}

async function syncSlot(subscription: string): Promise<string> {
  const [row] = await alice(
    `select format('pg_%s_sync_4711_%s', s.oid, (select c.system_identifier from pg_control_system() as c)) as name
       from pg_subscription as s where s.subname = '${subscription}'`,
  )
  await alice(`select pg_create_logical_replication_slot('${row!.name}', 'pgoutput')`)
  return row!.name
}

describe('what moves left behind', { skip: needsMoves }, () => {
  before(async () => {
    made = await fleet(movableMigrations)
    reader = catalogReader(made)
    tenant = await made.tenant('pooled')
    // Somewhere for a subscription to apply to.
    await alice('create table app.countries (code text primary key, name text not null)', { database: made.schemas })
    const far = await made.tenant('server')
    other = far.placement.server
    fleetOf = { connections: made.connections, catalog: reader, secrets }
    const { found: before } = await findLeftovers(fleetOf)
    assert.deepEqual(before, [])
  })

  after(async () => {
    await reader?.close()
    await made?.strike()
  })

  test('by a move that is over, or that nobody knows, is found and removed; an open one’s is not', async () => {
    const [over, unknown, open] = [await moveOf('done'), randomUUID(), await moveOf('following')]
    for (const id of [over, unknown, open]) await replicate(id)
    const [orphan, used] = [await syncSlot(`pw_mv_${hex(over)}_1`), await syncSlot(`pw_mv_${hex(open)}_1`)]
    await alice(`select pg_create_logical_replication_slot('pg_4711_sync_4711_4711', 'pgoutput')`)
    await alice(`select pg_create_logical_replication_slot('somebody_else', 'pgoutput')`)
    await alice('create publication somebody_else for table app.countries')
    const expected = [over, unknown].flatMap((id) => {
      const name = `pw_mv_${hex(id)}`
      return [`publication ${name}`, `slot ${name}_1`, `subscription ${name}_1`]
    })
    assert.deepEqual(names((await findLeftovers(fleetOf)).found), expected.toSorted())

    // The check before a move says so too.
    const situation = situationOf(made, tenant, await schemaFor(made, tenant), { reader })
    const warned = await found(situation, 'leftovers')
    assert.deepEqual(
      warned.map(({ object, level }) => [object, level]).sort(),
      expected.toSorted().map((object) => [object, 'warn']),
    )

    const { removed, problems } = await reapLeftovers(fleetOf)
    assert.deepEqual(problems, [])
    assert.deepEqual(names(removed), [...expected, `slot ${orphan}`].sort())
    assert.deepEqual(await found(situation, 'leftovers'), [])
    const left = await alice(
      'select s.slot_name::text as name from pg_replication_slots as s where s.database = current_database() order by 1',
    )
    assert.deepEqual(
      left.map(({ name }) => name),
      ['pg_4711_sync_4711_4711', used, `pw_mv_${hex(open)}_1`, 'somebody_else'].sort(),
    )
    assert.equal((await alice(`select p.pubname::text as name from pg_publication as p`)).length, 2)

    await made.connections.asMigrator('main', (control) =>
      control.query(`update partywall.moves set state = 'done', finished_at = now() where id = $1`, [open]),
    )
    await reapLeftovers(fleetOf)
    assert.deepEqual((await findLeftovers(fleetOf)).found, [])
    await alice(
      `select pg_drop_replication_slot(s.slot_name) from pg_replication_slots as s where s.slot_name in ('somebody_else', 'pg_4711_sync_4711_4711')`,
    )
    await alice('drop publication somebody_else')
  })

  test('a subscription whose other server has gone is removed without it', async () => {
    const name = `pw_mv_${hex(await moveOf('done'))}_1`
    await alice(
      `create subscription ${name} connection 'host=127.0.0.1 port=1 dbname=gone password=none' publication gone with (connect = false, slot_name = '${name}');
       alter subscription ${name} enable`,
      { database: made.schemas },
    )
    const { removed, problems } = await reapLeftovers(fleetOf)
    assert.deepEqual([names(removed), problems], [[`subscription ${name}`], []])
  })

  test('logins of transfers go with what they own and their secrets; of those that are open, or in use, they stay', async () => {
    const ids = {
      over: await moveOf('done'),
      open: await moveOf('following'),
      restore: randomUUID(),
      used: randomUUID(),
      unknown: randomUUID(),
    }
    const sites = [
      { server: 'main', databases: [made.catalog.name, made.schemas] },
      { server: other, databases: ['postgres'] },
    ]
    for (const id of Object.values(ids)) await ensureTransferLogin({ connections: made.connections, secrets }, { id, tenant }, sites)
    await alice(`set role ${transferLoginName(ids.over)}; create schema its_own; create table its_own.rows (id integer); reset role`)
    const user = await userOf(ids.used)
    const first = await reapLeftovers(fleetOf, { isOpen: (id) => id === ids.restore })
    const own = `login ${transferLoginName(ids.over)}`
    assert.deepEqual([names(first.removed), first.problems], [[own, own], []], 'what nobody knows may just have been made')
    const reaped = await reapLeftovers(fleetOf, { isOpen: (id) => id === ids.restore, graceMs: 0.001 })
    const gone = [`login ${transferLoginName(ids.unknown)}`]
    // Of one that is in use here, the login at the other server is not: it is of the same transfer, and stays too.
    assert.deepEqual([names(reaped.removed), reaped.problems], [[...gone, ...gone].sort(), []])
    assert.equal(await secrets.get(`transfer/${ids.over}/login`), undefined)
    assert.notEqual(await secrets.get(`transfer/${ids.used}/login`), undefined)
    await user.end()
    const rest = await reapLeftovers(fleetOf, { graceMs: 0 })
    assert.deepEqual(new Set(rest.removed.map(({ name }) => name)), new Set([ids.restore, ids.used].map((id) => transferLoginName(id))))
    await made.connections.asMigrator('main', (control) =>
      control.query(`update partywall.moves set state = 'done', finished_at = now() where id = $1`, [ids.open]),
    )
    await reapLeftovers(fleetOf)
    // Of these transfers alone: the server is that of other tests too, which move tenants meanwhile.
    const logins = await alice(`select r.rolname::text as name from pg_roles as r where r.rolname like 'pw\\_tr\\_%'`)
    const theirs = new Set(Object.values(ids).map(transferLoginName))
    assert.deepEqual(
      logins.filter(({ name }) => theirs.has(name)),
      [],
    )
  })

  test('another catalog’s on the same server are not touched', async () => {
    const id = randomUUID()
    await made.connections.asAdministrator('main', (admin) => createPrivateDatabase(admin, 'pw_strange'))
    try {
      const strange = { database: 'pw_strange' }
      await alice(`create publication pw_mv_${hex(id)} for all tables`, strange)
      await alice(`select pg_create_logical_replication_slot('pw_mv_${hex(id)}_1', 'pgoutput')`, strange)
      await ensureTransferLogin({ connections: made.connections, secrets }, { id, tenant }, [{ server: 'main', databases: ['pw_strange'] }])
      assert.deepEqual(await reapLeftovers(fleetOf), { removed: [], problems: [] })
      await alice(`select pg_drop_replication_slot('pw_mv_${hex(id)}_1')`, strange)
      await dropTransferLogin({ connections: made.connections, secrets }, id, [{ server: 'main', databases: ['pw_strange'] }])
    } finally {
      await made.connections.letGo('pw_strange')
      await made.connections.asAdministrator('main', (admin) => admin.query(`drop database pw_strange with (force)`))
    }
  })

  test('two that clear away at the same time are not in each other’s way', async () => {
    for (let i = 0; i < 3; i++) {
      const id = await moveOf('done')
      await replicate(id)
      await ensureTransferLogin({ connections: made.connections, secrets }, { id, tenant }, [
        { server: 'main', databases: [made.catalog.name] },
      ])
    }
    const [first, second] = await Promise.all([reapLeftovers(fleetOf), reapLeftovers(fleetOf)])
    assert.deepEqual((await findLeftovers(fleetOf)).found, [])
    assert.deepEqual([...first.problems, ...second.problems], [])
  })

  test('a server that does not answer is a problem, and the others are cleared all the same', async () => {
    const id = await moveOf('done')
    await replicate(id)
    await made.connections.asMigrator('main', (control) =>
      control.query(`insert into partywall.servers (name, host, port) values ('dead', '127.0.0.1', 1)`),
    )
    made.secrets.set('server/dead/admin', 'postgres://nobody:none@127.0.0.1:1/postgres')
    const { removed, problems } = await reapLeftovers(fleetOf)
    assert.equal(removed.length, 3)
    assert.deepEqual(
      problems.map(({ server, leftover }) => [server, leftover]),
      [['dead', null]],
    )
    await made.connections.asMigrator('main', (control) => control.query(`delete from partywall.servers where name = 'dead'`))
  })
})

/** A connection of the transfer's own login, as a restore that is going on has. */
async function userOf(id: string) {
  const login = await ensureTransferLogin({ connections: made.connections, secrets }, { id, tenant }, [
    { server: 'main', databases: [made.catalog.name] },
  ])
  const pool = new ControlPool({ connectionString: await login.url('main', made.catalog.name), applicationName: 'test-restore' })
  const client = await pool.dedicated()
  await pool.close()
  return client
}
