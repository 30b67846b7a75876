// One tenant's rows: counted, and deleted in bounded batches. The owner acts for the tenant behind the same policies as everybody
// else (partywall.act_for), so that a mistake here can reach no other tenant's rows.

import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../core/clock.ts'
import type { EmptyOptions, PlacedTenant, PurgeCount } from '../../core/placement-adapter.ts'
import { AbortedError, ConfigurationError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import { only, sqlstateOf } from './placement-site.ts'
import { isUnreferenced, mayHoldRowsOf, type TableScope, type TenantTable, tenantTables } from './tenant-tables.ts'

/** Rows deleted in one transaction, unless the caller says otherwise: milliseconds, so that nobody waits long behind one. */
const batchRowsDefault = 1_000
/** Unless the caller says otherwise, the pause is so many times what the batch took: most of processor and disk are the neighbours'. */
const pausePerBatch = 3
/** A batch that waited for a lock says nothing about the work that it was. */
const pauseMsMax = 1_000
const attemptsMax = 8
const firstWaitMs = 20
const lockTimeoutMs = 2_000

export interface TableCount {
  readonly name: string
  readonly rows: number
  readonly bytes: number
}

type Who = Pick<PlacedTenant, 'id' | 'keys'>
type Actor = Who & Pick<EmptyOptions, 'behindFence'>

/** How many rows each table holds of the tenant, and how many bytes: of the whole table where all of it is the tenant's. */
export async function countRows(
  control: ControlPool,
  tenant: Who,
  options: TableScope & { readonly isShared: boolean },
): Promise<readonly TableCount[]> {
  const tables = (await tenantTables(control, options)).filter(mayHoldRowsOf(tenant.keys))
  return await actFor(control, tenant, async (connection) => {
    const counts: TableCount[] = []
    for (const table of tables) {
      const bytes = options.isShared
        ? 'coalesce(sum(pg_column_size(t)), 0)'
        : 'coalesce((select sum(pg_total_relation_size(part.relid)) from pg_partition_tree($1::oid::regclass) as part), pg_total_relation_size($1::oid))'
      const rows = await connection.query<{ rows: string; bytes: string }>(
        `select count(*) as rows, ${bytes} as bytes from ${table.name} as t where $1::oid is not null`,
        [table.oid],
      )
      const row = only(rows)
      counts.push({ name: table.name, rows: Number(row.rows), bytes: Number(row.bytes) })
    }
    return counts
  })
}

/** Deletes the tenant's rows, children before parents. What another transaction blocks is tried again. */
export async function deleteRows(control: ControlPool, tenant: Who, options: EmptyOptions & TableScope): Promise<readonly PurgeCount[]> {
  const batchRows = options.batchRows ?? batchRowsDefault
  if (!Number.isInteger(batchRows) || batchRows < 1) throw new ConfigurationError(`batchRows is ${batchRows}; it must be at least 1.`)
  const tables = (await tenantTables(control, options)).filter(mayHoldRowsOf(tenant.keys))
  // Where the tenant has moved away from, its gate says that already.
  if (options.behindFence === undefined) await control.query('select partywall.end_audit_log($1)', [tenant.id])
  const deleted = new Map<string, number>()
  // In a circle of tables, emptying one sets rows of another free: go round until nothing moves.
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false
    for (const table of tables) {
      const count = await emptyTable(control, tenant, table, { ...options, batchRows })
      deleted.set(table.name, (deleted.get(table.name) ?? 0) + count)
      hasMoved ||= count > 0 && tables.some((other) => other.waitsFor.length > 0)
    }
  }
  const circular = tables.filter((table) => table.waitsFor.length > 0)
  if (circular.length > 0) await deleteCircle(control, { ...tenant, behindFence: options.behindFence }, circular, deleted)
  return [...deleted].map(([where, count]) => ({ kind: 'rows', where, count }))
}

async function emptyTable(
  control: ControlPool,
  tenant: Who,
  table: TenantTable,
  options: EmptyOptions & { readonly batchRows: number },
): Promise<number> {
  let sum = 0
  let after: readonly string[] | undefined
  for (;;) {
    if (options.signal?.aborted) throw new AbortedError('Emptying the tenant was cancelled. Nothing is half-done: call it again to go on.')
    const begunMs = systemClock.monotonic()
    const { count, last } = await patiently(() =>
      actFor(control, { ...tenant, behindFence: options.behindFence }, (connection) =>
        deleteBatch(connection, table, { limit: options.batchRows, after }),
      ),
    )
    sum += count
    if (count > 0) options.onProgress?.({ kind: 'rows', where: table.name, count })
    // A batch from the beginning that is not full has found everything; rows that wait for others come free batch by batch.
    if (after === undefined && (count === 0 || (count < options.batchRows && table.waitsFor.length === 0))) return sum
    // Each goes on behind the one before, past nothing that is dead already; at the end another look from the beginning.
    after = count < options.batchRows ? undefined : last
    const pauseMs = options.pauseMs ?? Math.min(pausePerBatch * (systemClock.monotonic() - begunMs), pauseMsMax)
    if (pauseMs > 0) await wait(pauseMs)
  }
}

interface Batch {
  readonly limit: number
  /** The key of a row, as text: only rows behind it. */
  readonly after: readonly string[] | undefined
}

async function deleteBatch(
  connection: ControlConnection,
  table: TenantTable,
  { limit, after }: Batch,
): Promise<{ readonly count: number; readonly last: readonly string[] }> {
  const columns = table.key.map((column) => `t.${quoted(column)}`)
  const key = columns.join(', ')
  const behind = table.keyTypes.map((type, i) => `($2::text[])[${i + 1}]::${type}`).join(', ')
  // A row's address is the shortest way to it, but in a partitioned table it is not unique.
  const address = table.isPartitioned
    ? `(${key}) in (select ${table.key.map(quoted).join(', ')} from batch)`
    : 't.ctid = any (array(select ctid from batch))'
  const rows = await connection.query<{ count: number; last: readonly string[] }>(
    `with batch as materialized (
       select t.ctid, ${key}, array[${columns.map((column) => `${column}::text`).join(', ')}] as partywall_last
         from ${table.name} as t
        where ${after === undefined ? '$2::text[] is null' : `(${key}) > (${behind})`}${isUnreferenced(table)}
        order by ${key}
        limit $1
     ), gone as (
       delete from ${table.name} as t where ${address} returning 1
     )
     select (select count(*)::int from gone) as count,
            (select b.partywall_last from batch as b order by ${table.key.map((column) => `b.${quoted(column)} desc`).join(', ')} limit 1) as last`,
    [limit, after],
  )
  return only(rows)
}

/** Rows that refer to each other in a circle can only go together: references are checked at the end of the statement. */
async function deleteCircle(
  control: ControlPool,
  tenant: Actor,
  tables: readonly TenantTable[],
  deleted: Map<string, number>,
): Promise<void> {
  const names = [...new Set(tables.flatMap((table) => [table.name, ...table.waitsFor.map(({ from }) => from)]))]
  const parts = names.map((name, i) => `d${i} as (delete from ${name} returning 1)`)
  const counts = names.map((_, i) => `(select count(*)::int from d${i}) as c${i}`)
  const rows = await patiently(() =>
    actFor(control, tenant, (connection) =>
      connection.query<Record<string, number>>(`with ${parts.join(', ')} select ${counts.join(', ')}`),
    ),
  )
  const row = only(rows)
  for (const [i, name] of names.entries()) deleted.set(name, (deleted.get(name) ?? 0) + row[`c${i}`]!)
}

/** Runs `fn` in a transaction that may act on one tenant's rows. The capability ends with it. */
export async function actFor<T>(
  control: ControlPool,
  { id, keys, behindFence }: Actor,
  fn: (connection: ControlConnection) => Promise<T>,
): Promise<T> {
  return await control.transaction(async (connection) => {
    await connection.query(`set local lock_timeout = ${lockTimeoutMs}`)
    const rows = await connection.query<{ isMade: boolean }>('select partywall.act_for($1, $2, $3, $4) as "isMade"', [
      id,
      keys.bigint,
      keys.text,
      behindFence,
    ])
    const result = await fn(connection)
    await connection.query('select partywall.stop_acting($1, $2)', [id, only(rows).isMade])
    return result
  })
}

/** Deadlocks, lock timeouts and serialization failures are other people's good right: we come again, a bounded number of times. */
async function patiently<T>(fn: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn()
    } catch (error) {
      if (!isOthersRight(error) || attempt === attemptsMax) throw error
      await wait(firstWaitMs * 2 ** (attempt - 1))
    }
  }
}

function isOthersRight(error: unknown): boolean {
  // Another who empties the same tenant took its gate away in the moment between our look at it and our capability.
  if ((error as { readonly constraint?: unknown }).constraint === 'capabilities_tenant_id_fkey') return true
  return ['40P01', '55P03', '40001'].includes(sqlstateOf(error) ?? '')
}
