// How far the copy of a tenant's tables has come, as the subscription's database tells.
// https://www.postgresql.org/docs/current/catalog-pg-subscription-rel.html

import type { Move, MoveProgress } from '../../core/move.ts'
import type { Endpoint } from './endpoint.ts'
import { replicationName } from './replication.ts'

/** Of the subscription as a whole. */
export interface FollowState {
  readonly isThere: boolean
  readonly isEnabled: boolean
  /** Failures of applying, since the subscription was made. */
  readonly failures: number
  /** Of the copies of tables. */
  readonly copyFailures: number
  readonly tables: MoveProgress['tables']
}

/** @param rowsTotal by the table's name: as estimated at the source. */
export async function followState(
  at: Endpoint,
  move: Move,
  generation: number,
  rowsTotal: Readonly<Record<string, number>>,
): Promise<FollowState> {
  const name = replicationName(move, generation)
  const [subscription] = await at.transfer.query<{ isEnabled: boolean; failures: number; copyFailures: number }>(
    `select s.subenabled as "isEnabled", coalesce(t.apply_error_count, 0)::int as failures, coalesce(t.sync_error_count, 0)::int as "copyFailures"
       from pg_catalog.pg_subscription as s
       left join pg_catalog.pg_stat_subscription_stats as t on t.subid = s.oid
      where s.subname = $1`,
    [name],
  )
  if (subscription === undefined) return { isThere: false, isEnabled: false, failures: 0, copyFailures: 0, tables: [] }
  const tables = await at.transfer.query<{ name: string; state: string; rows: number | null; bytes: number | null }>(
    `select c.relname as name, r.srsubstate as state, p.tuples_processed::float8 as rows, p.bytes_processed::float8 as bytes
       from pg_catalog.pg_subscription as s
       join pg_catalog.pg_subscription_rel as r on r.srsubid = s.oid
       join pg_catalog.pg_class as c on c.oid = r.srrelid
       left join pg_catalog.pg_stat_progress_copy as p on p.relid = r.srrelid and p.datname = current_database() and p.command = 'COPY FROM'
      where s.subname = $1 and c.relnamespace <> 'partywall'::regnamespace
      order by c.relname`,
    [name],
  )
  return {
    isThere: true,
    ...subscription,
    tables: tables.map(({ name: table, state, rows, bytes }) => {
      const total = rowsTotal[table] ?? 0
      return {
        name: table,
        state: state === 'i' ? 'waiting' : state === 'd' ? 'copying' : 'ready',
        rows: state === 'i' ? 0 : state === 'd' ? (rows ?? 0) : total,
        rowsTotal: total,
        bytes: bytes ?? 0,
      }
    }),
  }
}

/** Are all tables copied, and followed? The markers' own table too. */
export async function isReady(at: Endpoint, move: Move, generation: number): Promise<boolean> {
  const [row] = await at.transfer.query<{ isReady: boolean }>(
    `select bool_and(r.srsubstate = 'r') as "isReady"
       from pg_catalog.pg_subscription as s
       join pg_catalog.pg_subscription_rel as r on r.srsubid = s.oid
      where s.subname = $1`,
    [replicationName(move, generation)],
  )
  return row?.isReady === true
}

/** Bytes of the log that the other side has not confirmed. */
export async function lagBytes(
  at: Endpoint,
  move: Move,
  generation: number,
): Promise<{ readonly bytes: number; readonly isLost: boolean } | undefined> {
  const [row] = await at.transfer.query<{ bytes: number; isLost: boolean }>(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::float8 as bytes, s.wal_status is not distinct from 'lost' as "isLost"
       from pg_catalog.pg_replication_slots as s
      where s.slot_name = $1`,
    [replicationName(move, generation)],
  )
  return row
}

/** Rows of the tenant by table: estimated where the table is the tenant's alone, counted where it is shared. */
export async function rowEstimates(
  at: Endpoint,
  tables: readonly { readonly name: string; readonly stored: string; readonly where: string }[],
  isShared: boolean,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { name, stored, where } of tables) {
    const [row] = await at.transfer.query<{ rows: number }>(
      isShared
        ? `select count(*)::float8 as rows from ${stored} where ${where}`
        : `select greatest(c.reltuples, 0)::float8 as rows from pg_catalog.pg_class as c where c.oid = to_regclass('${stored.replaceAll("'", "''")}')`,
    )
    counts[name] = row?.rows ?? 0
  }
  return counts
}
