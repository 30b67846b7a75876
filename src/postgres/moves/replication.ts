// PostgreSQL's own logical replication of one tenant's rows, from the place that serves to the other one. What is made here has the
// name of the move, so that every step can be repeated, and found again by whoever cleans up.
//
//   publication  pw_mv_<move>                 at both places: the tenant's tables, filtered by the tenant's key, and the move's markers
//   slot         pw_mv_<move>_<generation>    at the place that serves
//   subscription pw_mv_<move>_<generation>    at the other one
//
// https://www.postgresql.org/docs/current/logical-replication.html

import pg from 'pg'
import type { Move } from '../../core/move.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { MoveFailedError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import type { Endpoint } from './endpoint.ts'
import { keyLiteral, type PublishedTable } from './published-tables.ts'

export function publicationName({ id }: Pick<Move, 'id'>): string {
  return `pw_mv_${id.replaceAll('-', '')}`
}

/** Of the replication of one generation: the slot and the subscription have one name. */
export function replicationName(move: Pick<Move, 'id'>, generation: number): string {
  return `${publicationName(move)}_${generation}`
}

/** Publishes the tenant's rows of these tables at a place. The filter is the first guard of other tenants' rows. */
export async function publish(at: Endpoint, move: Move, tenant: PlacedTenant, tables: readonly PublishedTable[]): Promise<void> {
  const name = publicationName(move)
  const found = await at.transfer.query('select from pg_catalog.pg_publication as p where p.pubname = $1', [name])
  if (found.length > 0) return
  const rows = tables.map((table) => `table ${table.published} where (${quoted(table.tenantColumn)} = ${keyLiteral(tenant, table)})`)
  const markers = `table partywall.move_markers where (move_id = ${pg.escapeLiteral(move.id)}::uuid)`
  await at.transfer.query(
    `create publication ${quoted(name)} for ${[...rows, markers].join(', ')}
       with (publish = 'insert, update, delete', publish_via_partition_root = true)`,
  )
}

export async function unpublish(at: Endpoint, move: Move): Promise<void> {
  await at.transfer.query(`drop publication if exists ${quoted(publicationName(move))}`)
}

/** How long the making of a slot waits for transactions that are open on the server. */
const slotTimeoutMs = 30_000

/**
 * Makes the slot of a generation. It waits for every transaction of the server that has written and is open.
 *
 * @throws {MoveFailedError} naming them, when they are open for longer than 30 s.
 */
export async function ensureSlot(at: Endpoint, move: Move, generation: number): Promise<void> {
  const name = replicationName(move, generation)
  const [found] = await at.transfer.query<{ lost: boolean }>(
    `select s.wal_status is not distinct from 'lost' as lost from pg_catalog.pg_replication_slots as s where s.slot_name = $1`,
    [name],
  )
  if (found?.lost === true) await dropSlot(at, name)
  if (found !== undefined && !found.lost) return
  try {
    await at.transfer.session(async (session) => {
      await session.query(`set statement_timeout = ${slotTimeoutMs}`)
      await session.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name])
      await session.query('reset statement_timeout')
    })
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code
    // Another mover, or this one before it died, was quicker.
    if (code === '42710') return
    if (code !== '57014') throw error
    throw new MoveFailedError(
      `A replication slot waits for transactions that are open on the server ${at.placement.server}: ${await openTransactions(at.transfer)}. End them, or wait.`,
      { cause: error },
    )
  }
}

async function openTransactions(control: ControlConnection): Promise<string> {
  const rows = await control.query<{ told: string }>(
    `select format('pid %s of %s in %s, for %s s', a.pid, a.usename, a.datname, extract(epoch from clock_timestamp() - a.xact_start)::int) as told
       from pg_catalog.pg_stat_activity as a
      where a.backend_xid is not null and a.pid <> pg_backend_pid()
      order by a.xact_start
      limit 5`,
  )
  return rows.map(({ told }) => told).join('; ') || 'none that can be seen'
}

/** Drops a slot of ours, with whoever reads from it. One that is not there is no failure. */
export async function dropSlot(at: Endpoint, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await at.transfer.query(
      `select pg_terminate_backend(s.active_pid, 5000) from pg_catalog.pg_replication_slots as s where s.slot_name = $1 and s.active_pid is not null`,
      [name],
    )
    try {
      await at.transfer.query(
        'select pg_drop_replication_slot(s.slot_name) from pg_catalog.pg_replication_slots as s where s.slot_name = $1',
        [name],
      )
      return
    } catch (error) {
      // A reader that came back between the two.
      if ((error as { readonly code?: unknown }).code !== '55006' || attempt === 10) throw error
    }
  }
}

export async function currentLsn(at: Endpoint): Promise<string> {
  const [row] = await at.transfer.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  return row!.lsn
}

/** Lets a slot that nobody reads from give the log free, up to there. Nothing but replicated rows has come before it. */
export async function advanceSlot(at: Endpoint, move: Move, generation: number, lsn: string): Promise<void> {
  await at.transfer.query(
    `select pg_replication_slot_advance(s.slot_name, $2::pg_lsn)
       from pg_catalog.pg_replication_slots as s
      where s.slot_name = $1 and not s.active and pg_wal_lsn_diff($2::pg_lsn, s.confirmed_flush_lsn) > 16777216`,
    [replicationName(move, generation), lsn],
  )
}

/**
 * Subscribes one place to the other. What it shows is durable there (synchronous_commit), what came from here is not sent back (origin),
 * and what it applies is applied by the transfer's login, which the guards of the tables know.
 */
export async function subscribe(
  at: Endpoint,
  to: Endpoint,
  move: Move,
  { generation, copyData }: { readonly generation: number; readonly copyData: boolean },
): Promise<void> {
  const name = replicationName(move, generation)
  const found = await subscriptionOid(at.transfer, name)
  if (found !== undefined) return
  await at.transfer.query(
    `create subscription ${quoted(name)} connection ${pg.escapeLiteral(to.url)} publication ${quoted(publicationName(move))}
       with (create_slot = false, slot_name = ${pg.escapeLiteral(name)}, copy_data = ${copyData}, synchronous_commit = on, run_as_owner = true,
             origin = none, binary = false)`,
  )
}

/** The password of the transfer's login was made anew, or the other server has another address. */
export async function refreshSubscription(at: Endpoint, to: Endpoint, move: Move, generation: number): Promise<void> {
  const name = replicationName(move, generation)
  if ((await subscriptionOid(at.transfer, name)) === undefined) return
  await at.transfer.query(`alter subscription ${quoted(name)} connection ${pg.escapeLiteral(to.url)}`)
  await at.transfer.query(`alter subscription ${quoted(name)} enable`)
}

/** Ends a subscription and, at the other place, its slots. The order leaves nothing that would be waited for. */
export async function unsubscribe(at: Endpoint, to: Endpoint, move: Move, generation: number): Promise<void> {
  await dropSubscription(at, to, replicationName(move, generation))
  await dropSlot(to, replicationName(move, generation))
}

/** Ends whatever the move has there, of any generation: one that was taken over may have left another's behind. */
export async function endReplication(at: Endpoint, to: Endpoint, move: Move): Promise<void> {
  const prefix = `${publicationName(move)}_`
  const subscriptions = await at.transfer.query<{ name: string }>(
    'select s.subname as name from pg_catalog.pg_subscription as s where starts_with(s.subname, $1) and s.subdbid = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())',
    [prefix],
  )
  for (const { name } of subscriptions) await dropSubscription(at, to, name)
  const slots = await at.transfer.query<{ name: string }>(
    'select s.slot_name as name from pg_catalog.pg_replication_slots as s where starts_with(s.slot_name, $1) and s.database = current_database()',
    [prefix],
  )
  for (const { name } of slots) await dropSlot(at, name)
}

async function dropSubscription(at: Endpoint, to: Endpoint, name: string): Promise<void> {
  const oid = await subscriptionOid(at.transfer, name)
  if (oid === undefined) return
  await at.transfer.query(`alter subscription ${quoted(name)} disable`)
  await at.transfer.query(`alter subscription ${quoted(name)} set (slot_name = none)`)
  await at.transfer.query(`drop subscription ${quoted(name)}`)
  if (!to.isThere) return
  // Of tables whose copy was not complete.
  const slots = await to.transfer.query<{ name: string }>(
    `select s.slot_name as name from pg_catalog.pg_replication_slots as s where starts_with(s.slot_name, $1)`,
    [`pg_${oid}_sync_`],
  )
  for (const slot of slots) await dropSlot(to, slot.name)
}

async function subscriptionOid(control: ControlPool, name: string): Promise<string | undefined> {
  const [row] = await control.query<{ oid: string }>(
    `select s.oid::text as oid
       from pg_catalog.pg_subscription as s
      where s.subname = $1 and s.subdbid = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())`,
    [name],
  )
  return row?.oid
}
