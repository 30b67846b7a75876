// What moves and transfers leave behind when whoever ran them died and nobody went on: slots keep the log of everybody on the server,
// publications make updates dearer, subscriptions try for ever, and a login can read every tenant's rows.
//
// Only what bears a name of ours in a database of ours is looked at, since a server may hold another catalog's tenants too; and of that
// only what belongs to no open move: what is being worked on is left alone.

import { setTimeout as wait } from 'node:timers/promises'
import type { SecretStore } from '../../core/secret-store.ts'
import { DatabaseUnavailableError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { quoted } from '../table-shape.ts'
import { dropTransferLogin } from '../transfer-login.ts'

export type LeftoverKind = 'subscription' | 'slot' | 'publication' | 'login'

export interface Leftover {
  readonly kind: LeftoverKind
  /** By its name in the catalog. */
  readonly server: string
  /** As PostgreSQL knows it; null for logins, which belong to the server. */
  readonly database: string | null
  readonly name: string
  /** Of the move or the transfer that made it; null for a slot of a table's copy, whose subscription is gone. */
  readonly id: string | null
}

export interface LeftoverProblem {
  readonly server: string
  /** What could not be removed; null when the server could not be asked. */
  readonly leftover: Leftover | null
  readonly message: string
}

export interface Leftovers {
  readonly found: readonly Leftover[]
  readonly problems: readonly LeftoverProblem[]
}

export interface Reaped {
  readonly removed: readonly Leftover[]
  readonly problems: readonly LeftoverProblem[]
}

export interface LeftoverFleet {
  readonly connections: FleetConnections
  /** The gatekeeper's connections to the catalog. */
  readonly catalog: ControlConnection
  /** Where the passwords of transfers are. */
  readonly secrets: SecretStore
}

export interface LeftoverOptions {
  /** These servers alone. Default: all that the catalog has. */
  readonly servers?: readonly string[] | undefined
  /** These databases alone, as PostgreSQL knows them, are looked through for publications. Default: all that the catalog has there. */
  readonly databases?: readonly string[] | undefined
  /**
   * Transfers that the catalog has no move of (restores): are they going on? Default: none is. A login that somebody is connected with
   * is left alone in any case, unless its move is over.
   */
  readonly isOpen?: ((id: string) => boolean | Promise<boolean>) | undefined
  /**
   * A login of which the catalog knows nothing is marked when it is seen unused, and goes when it is seen so again after this time, in
   * milliseconds: it may just have been made. Default 600,000; 0 for at once.
   */
  readonly graceMs?: number | undefined
}

interface Site {
  readonly server: string
  readonly identifier: string
  readonly databases: readonly string[]
}

const graceDefaultMs = 600_000
const databasesAtOnce = 4
const attemptsMax = 20
const attemptPauseMs = 50

/** What belongs to no open move. A server that does not answer is a problem, and no failure. */
export async function findLeftovers(fleet: LeftoverFleet, options: LeftoverOptions = {}): Promise<Leftovers> {
  const { found, problems } = await look(fleet, options)
  return { found, problems }
}

interface Looked extends Leftovers {
  /** Logins that nobody knows nor uses, and that may be too young to be left over. */
  readonly young: readonly Found[]
}

async function look(fleet: LeftoverFleet, options: LeftoverOptions): Promise<Looked> {
  const problems: LeftoverProblem[] = []
  const sites = await sitesOf(fleet, options, problems)
  const isOver = await overness(fleet, options)
  const subscriptionsThere = new Map<string, ReadonlySet<string>>()
  for (const site of sites) subscriptionsThere.set(site.identifier, await subscriptionIds(fleet, site))
  const lists = await Promise.all(
    sites.map(async (site) => {
      try {
        return [...(await onServer(fleet, site, subscriptionsThere)), ...(await publicationsOn(fleet, site, options.databases))]
      } catch (error) {
        problems.push({ server: site.server, leftover: null, message: (error as Error).message })
        return []
      }
    }),
  )
  const found: Leftover[] = []
  const young: Found[] = []
  const { graceMs = graceDefaultMs } = options
  // What is in use, or ours, at one server is so at the others.
  const logins = lists.flat().filter(({ kind }) => kind === 'login')
  const busy = new Set(logins.filter(({ isBusy }) => isBusy).map(({ id }) => id))
  const ours = new Set(logins.filter(({ isOurs }) => isOurs).map(({ id }) => id))
  for (const leftover of lists.flat()) {
    const { isBusy, isOurs, markedMs, ...plain } = leftover
    const state = plain.id === null ? 'over' : await isOver(plain.id)
    const isUnclaimed = state === 'unknown' && !busy.has(plain.id) && (isOurs || ours.has(plain.id))
    const isYoung = plain.kind === 'login' && graceMs > 0 && (markedMs ?? 0) < graceMs
    if (state === 'over' || (isUnclaimed && !isYoung)) found.push(plain)
    // Marked for the first time; or anew, when it was in use since.
    else if (isBusy ? markedMs !== null : isUnclaimed && markedMs === null) young.push(leftover)
  }
  return { found, problems, young }
}

/**
 * Removes it: subscriptions first, which are parted from their slots so that nothing has to be reached, then slots, publications and
 * logins. May be repeated, also by several at once: what is gone already is no failure.
 */
export async function reapLeftovers(fleet: LeftoverFleet, options: LeftoverOptions = {}): Promise<Reaped> {
  const removed: Leftover[] = []
  const failed: LeftoverProblem[] = []
  // The slots of tables that were being copied are seen to be orphans when the subscription has gone.
  for (const kinds of [['subscription'], ['slot', 'publication', 'login']] as const) {
    const { found, young } = await look(fleet, options)
    for (const login of young) await mark(fleet, login)
    for (const leftover of kinds.flatMap((kind) => found.filter((one) => one.kind === kind))) {
      try {
        await remove(fleet, leftover)
        removed.push(leftover)
      } catch (error) {
        failed.push({ server: leftover.server, leftover, message: (error as Error).message })
      }
    }
  }
  // What somebody else has removed meanwhile is no problem.
  const { found, problems } = await findLeftovers(fleet, options)
  const left = failed.filter(({ leftover }) =>
    found.some((one) => one.kind === leftover?.kind && one.server === leftover.server && one.name === leftover.name),
  )
  return { removed, problems: [...problems, ...left] }
}

type Found = Leftover & Pick<Named, 'isBusy' | 'isOurs' | 'markedMs'>

/** Of one server, by whichever of its names comes first. */
async function sitesOf(
  { connections, catalog }: LeftoverFleet,
  { servers }: LeftoverOptions,
  problems: LeftoverProblem[],
): Promise<readonly Site[]> {
  const rows = await catalog.query<{ server: string; databases: readonly string[] }>(
    `select s.name as server,
            array(select case d.name when 'main' then current_database() else d.database_name end
                    from partywall.databases as d where d.server_name = s.name and d.state <> 'provisioning' order by 1)::text[] as databases
       from partywall.servers as s
      where s.state <> 'provisioning' and ($1::text[] is null or s.name = any ($1))
      order by s.name`,
    [servers ?? null],
  )
  const sites = new Map<string, Site>()
  for (const { server, databases } of rows) {
    try {
      const [row] = await connections.asAdministrator(server, (admin) =>
        admin.query<{ identifier: string }>('select c.system_identifier::text as identifier from pg_catalog.pg_control_system() as c'),
      )
      const identifier = row!.identifier
      const before = sites.get(identifier)
      sites.set(identifier, { server: before?.server ?? server, identifier, databases: [...(before?.databases ?? []), ...databases] })
    } catch (error) {
      problems.push({ server, leftover: null, message: (error as Error).message })
    }
  }
  return [...sites.values()]
}

/** Is the move or transfer of this id over? `unknown`: the catalog has never heard of it. */
async function overness(
  { catalog }: LeftoverFleet,
  { isOpen }: LeftoverOptions,
): Promise<(id: string) => Promise<'open' | 'over' | 'unknown'>> {
  const moves = await catalog.query<{ id: string; isOver: boolean }>(
    `select m.id::text as id, m.state in ('done', 'cancelled') as "isOver" from partywall.moves as m`,
  )
  const operations = await catalog.query<{ id: string }>(
    `select o.id::text as id from partywall.operations as o where o.state in ('running', 'waiting', 'failed')`,
  )
  const states = new Map<string, 'open' | 'over'>([
    ...moves.map(({ id, isOver }) => [id, isOver ? 'over' : 'open'] as const),
    ...operations.map(({ id }) => [id, 'open'] as const),
  ])
  return async (id) => ((await isOpen?.(id)) === true ? 'open' : (states.get(id) ?? 'unknown'))
}

async function subscriptionIds({ connections }: LeftoverFleet, { server }: Site): Promise<ReadonlySet<string>> {
  const rows = await connections.asAdministrator(server, (admin) =>
    admin.query<{ id: string }>('select s.oid::text as id from pg_catalog.pg_subscription as s'),
  )
  return new Set(rows.map(({ id }) => id))
}

interface Named {
  readonly kind: LeftoverKind
  readonly database: string | null
  readonly name: string
  readonly isBusy: boolean
  /** Is it in a database that the catalog has, or let into one? */
  readonly isOurs: boolean
  /** Since when a login is marked as unused; null for one that is not, and for all else. */
  readonly markedMs: number | null
}

/** Subscriptions, slots and logins are the server's: one look tells. */
async function onServer(
  { connections }: LeftoverFleet,
  { server, databases }: Site,
  subscriptionsThere: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<readonly Found[]> {
  const rows = await connections.asAdministrator(server, (admin) =>
    admin.query<Named>(
      `select 'subscription' as kind, d.datname::text as database, s.subname::text as name, false as "isBusy", true as "isOurs", null::float8 as "markedMs"
         from pg_catalog.pg_subscription as s join pg_catalog.pg_database as d on d.oid = s.subdbid
        where s.subname ~ '^pw_mv_[0-9a-f]{32}' and d.datname = any ($1)
        union all
       select 'slot', s.database::text, s.slot_name::text, s.active, true, null
         from pg_catalog.pg_replication_slots as s
        where s.database = any ($1)
          and (s.slot_name::text ~ '^pw_mv_[0-9a-f]{32}' or (s.slot_name::text ~ '^pg_[0-9]+_sync_[0-9]+_[0-9]+$' and not s.active))
        union all
       select 'login', null, r.rolname::text, exists (select from pg_catalog.pg_stat_activity as a where a.usename = r.rolname),
              exists (
                select from pg_catalog.pg_shdepend as s
                  join pg_catalog.pg_database as d on d.oid = s.dbid or (s.dbid = 0 and s.classid = 'pg_catalog.pg_database'::regclass and d.oid = s.objid)
                 where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = r.oid and d.datname = any ($1)
              ),
              extract(epoch from clock_timestamp() - substring(shobj_description(r.oid, 'pg_authid') from '^partywall: unused since (.*)$')::timestamptz)::float8 * 1000
         from pg_catalog.pg_roles as r
        where r.rolname ~ '^pw_tr_[0-9a-f]{32}$'
        order by 1, 3`,
      [databases],
    ),
  )
  return rows.filter((row) => !isSyncSlotInUse(row, subscriptionsThere)).map((row) => ({ ...row, server, id: idIn(row.name) }))
}

/** `pg_<subscription>_sync_<table>_<server>`: whose server is not ours, or whose subscription is there, is none of our business. */
function isSyncSlotInUse({ name }: Named, subscriptionsThere: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const parts = /^pg_(\d+)_sync_\d+_(\d+)$/.exec(name)
  if (parts === null) return false
  const there = subscriptionsThere.get(parts[2]!)
  return there === undefined || there.has(parts[1]!)
}

/** Publications are the database's: each is asked. */
async function publicationsOn(
  { connections }: LeftoverFleet,
  { server, databases }: Site,
  only: readonly string[] | undefined,
): Promise<readonly Found[]> {
  const there = await connections.asAdministrator(server, (admin) =>
    admin.query<{ name: string }>(
      'select d.datname::text as name from pg_catalog.pg_database as d where d.datallowconn and d.datname = any ($1)',
      [databases.filter((name) => only === undefined || only.includes(name))],
    ),
  )
  const found: Found[] = []
  for (let i = 0; i < there.length; i += databasesAtOnce) {
    const lists = await Promise.all(
      there.slice(i, i + databasesAtOnce).map(async ({ name: database }) => {
        const rows = await connections.asAdministrator(
          server,
          (admin) =>
            admin.query<{ name: string }>(
              `select p.pubname::text as name from pg_catalog.pg_publication as p where p.pubname ~ '^pw_mv_[0-9a-f]{32}' order by 1`,
            ),
          database,
        )
        return rows.map(({ name }) => ({
          kind: 'publication' as const,
          server,
          database,
          name,
          id: idIn(name),
          isBusy: false,
          isOurs: true,
          markedMs: null,
        }))
      }),
    )
    found.push(...lists.flat())
  }
  return found
}

/** The uuid in a name of ours. */
function idIn(name: string): string | null {
  const parts = /^pw_(?:mv|tr)_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?:_\d+)?$/.exec(name)
  return parts === null ? null : parts.slice(1).join('-')
}

async function remove(fleet: LeftoverFleet, leftover: Leftover): Promise<void> {
  switch (leftover.kind) {
    case 'subscription':
      return await dropSubscription(fleet, leftover)
    case 'slot':
      return await dropSlot(fleet, leftover)
    case 'publication':
      return await dropPublication(fleet, leftover)
    case 'login':
      return await dropLogin(fleet, leftover)
  }
}

/** Parted from its slot first: PostgreSQL would otherwise have to reach the other server to drop it, and may hang on its own. */
async function dropSubscription({ connections }: LeftoverFleet, { server, database, name }: Leftover): Promise<void> {
  await connections.asAdministrator(
    server,
    async (admin) => {
      const found = await admin.query(
        `select from pg_catalog.pg_subscription as s where s.subname = $1
            and s.subdbid = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())`,
        [name],
      )
      if (found.length === 0) return
      await admin.query(`alter subscription ${quoted(name)} disable`)
      await admin.query(`alter subscription ${quoted(name)} set (slot_name = none)`)
      await admin.query(`drop subscription if exists ${quoted(name)}`)
    },
    database ?? 'postgres',
  )
}

/** Whoever still reads it is sent away first; a worker of a subscription that was just dropped may come once more. */
async function dropSlot({ connections }: LeftoverFleet, { server, name }: Leftover): Promise<void> {
  await connections.asAdministrator(server, async (admin) => {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      await admin.query(
        `select pg_catalog.pg_terminate_backend(s.active_pid, 5000)
           from pg_catalog.pg_replication_slots as s
          where s.slot_name = $1 and s.active_pid is not null`,
        [name],
      )
      try {
        await admin.query(
          'select pg_catalog.pg_drop_replication_slot(s.slot_name) from pg_catalog.pg_replication_slots as s where s.slot_name = $1',
          [name],
        )
        return
      } catch (error) {
        const { code } = error as { readonly code?: string }
        // Another was quicker.
        if (code === '42704') return
        if (code !== '55006') throw error
        await wait(attemptPauseMs)
      }
    }
    throw new DatabaseUnavailableError(
      `The slot ${name} on ${server} is taken again and again. See who reads it: pg_replication_slots.active_pid.`,
    )
  })
}

async function dropPublication({ connections }: LeftoverFleet, { server, database, name }: Leftover): Promise<void> {
  await connections.asAdministrator(server, (admin) => admin.query(`drop publication if exists ${quoted(name)}`), database ?? 'postgres')
}

/** By the server's own clock. One that is gone meanwhile needs no mark. */
async function mark({ connections }: LeftoverFleet, { server, name }: Leftover): Promise<void> {
  await connections.asAdministrator(server, async (admin) => {
    const [row] = await admin.query<{ text: string }>(
      `select format('comment on role %I is %L', r.rolname, format('partywall: unused since %s', clock_timestamp())) as text
         from pg_catalog.pg_roles as r where r.rolname = $1`,
      [name],
    )
    if (row === undefined) return
    try {
      await admin.query(row.text)
    } catch (error) {
      if ((error as { readonly code?: string }).code !== '42704') throw error
    }
  })
}

/** In every database where it owns or was granted something: those are known by its dependencies, whatever the catalog says. */
async function dropLogin({ connections, secrets }: LeftoverFleet, { server, name, id }: Leftover): Promise<void> {
  const databases = await connections.asAdministrator(server, (admin) =>
    admin.query<{ name: string }>(
      `select distinct d.datname::text as name
         from pg_catalog.pg_shdepend as s
         join pg_catalog.pg_database as d on d.oid = s.dbid or (s.dbid = 0 and s.classid = 'pg_catalog.pg_database'::regclass and d.oid = s.objid)
        where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = (select r.oid from pg_catalog.pg_roles as r where r.rolname = $1)`,
      [name],
    ),
  )
  await dropTransferLogin({ connections, secrets }, id!, [{ server, databases: databases.map((database) => database.name) }])
}
