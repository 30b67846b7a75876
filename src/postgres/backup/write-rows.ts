// Rows of a backup, or of a tenant that was restored beside, brought into the live tenant: some of them (merge), or in the place of all
// that it has (replace). One transaction in the tenant's database, as the owner who acts for this tenant alone, behind the policies.
//
// Whoever moves the tenant waits for it: the gate's row is locked from the first write to the end.

import { setTimeout as wait } from 'node:timers/promises'
import type pg from 'pg'
import type { MergeOptions, ReplaceOptions, RowStream, WrittenTable } from '../../backup/row-source.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { AbortedError, ConstraintError, InvalidInputError, OperationInProgressError, TenantMovingError } from '../../errors.ts'
import { isAuditTable } from '../audit-tables.ts'
import { CopyConnection } from '../copy/copy-connection.ts'
import { type CopyTable, copyTables } from '../copy/copy-tables.ts'
import { fixTextForm, liftTimeLimits } from '../copy/text-form.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { only, sqlstateOf } from '../placements/placement-site.ts'
import { quoted } from '../table-shape.ts'
import { type StagedTable, stageRows } from './staged-rows.ts'

/** Merges rows. @see TenantRows.merge */
export async function mergeRows(
  connections: FleetConnections,
  tenant: PlacedTenant,
  streams: readonly RowStream[],
  options: MergeOptions,
): Promise<readonly WrittenTable[]> {
  return await inTenant(connections, tenant, options, async (connection, present) => {
    const staged = await stageRows(connection, present, broughtBack(present, streams), {
      of: options.of,
      to: tenant,
      signal: options.signal,
    })
    await lockGate(connection, tenant, 'for share')
    const written: WrittenTable[] = []
    for (const each of staged) written.push(await insertStaged(connection, each, options))
    return written
  })
}

/** No older state of the audit log takes the place of what was recorded since, nor is anything added to it in the middle. */
function broughtBack(present: readonly CopyTable[], streams: readonly RowStream[]): readonly RowStream[] {
  const audit = new Set(present.filter(isAuditTable).map(({ name }) => name))
  return streams.filter(({ table }) => !audit.has(table))
}

/** Replaces all rows. @see TenantRows.replace */
export async function replaceRows(
  connections: FleetConnections,
  tenant: PlacedTenant,
  streams: readonly RowStream[],
  options: ReplaceOptions,
): Promise<readonly WrittenTable[]> {
  // From here on each write of the tenant takes a shared lock on the gate, so that all of them can be waited for. Who is killed now
  // leaves just that: writes go on.
  await moving(connections, tenant, 'start_moving')
  try {
    await untilOlderAreOver(connections, tenant, options.signal)
    return await inTenant(connections, tenant, options, async (connection, present) => {
      const staged = await stageRows(connection, present, broughtBack(present, streams), {
        of: options.of,
        to: tenant,
        signal: options.signal,
      })
      await lockGate(connection, tenant, 'for no key update')
      await options.whileNobodyWrites()
      const deleted = await deleteAll(connection, present, staged)
      const written: WrittenTable[] = []
      for (const each of staged) {
        const { table, inserted, updated } = await insertStaged(connection, each, { mode: 'missing' })
        if (inserted !== each.rows) throw new ConstraintError(`Of ${each.rows} rows for ${table} only ${inserted} found a place.`)
        written.push({ table, inserted, updated, deleted: deleted.get(table) ?? 0 })
      }
      return written
    })
  } finally {
    await releaseWrites(connections, tenant)
  }
}

/** Writes cost what they cost without a replacement. Done again, it does no harm. */
export async function releaseWrites(connections: FleetConnections, tenant: PlacedTenant): Promise<void> {
  await moving(connections, tenant, 'stop_moving')
}

async function moving(connections: FleetConnections, { id, placement }: PlacedTenant, verb: 'start_moving' | 'stop_moving'): Promise<void> {
  await connections.asMigrator(placement.database, (control) => control.query(`select partywall.${verb}($1)`, [id]))
}

interface Transaction {
  readonly signal?: AbortSignal | undefined
  readonly dryRun?: boolean | undefined
}

/** One transaction that may act on this tenant's rows and on nobody else's. A dry run does all of it, and takes it back. */
async function inTenant<T>(
  connections: FleetConnections,
  tenant: PlacedTenant,
  { signal, dryRun }: Transaction,
  fn: (connection: CopyConnection, present: readonly CopyTable[]) => Promise<T>,
): Promise<T> {
  return await connections.asMigrator(tenant.placement.database, async (control) => {
    const client: pg.Client = await control.dedicated()
    const connection = new CopyConnection(client, signal)
    try {
      await connection.query('begin')
      await liftTimeLimits(connection)
      await fixTextForm(connection)
      const { id, keys } = tenant
      const rows = await connection.query<{ isMade: boolean }>('select partywall.act_for($1, $2, $3) as "isMade"', [
        id,
        keys.bigint,
        keys.text,
      ])
      // Names in the application's own triggers and checks mean what they mean to the application.
      await connection.query(`set local search_path = ${quoted(tenant.placement.schema)}, pg_temp`)
      await connection.query('set constraints all deferred')
      const result = await fn(connection, await copyTables(connection, tenant))
      await constrained(() => connection.query('set constraints all immediate'))
      await connection.query('select partywall.stop_acting($1, $2)', [id, only(rows).isMade])
      await connection.query(dryRun === true ? 'rollback' : 'commit')
      return result
    } catch (error) {
      await connection.rollback()
      throw error
    } finally {
      await client.end().catch(() => {})
    }
  })
}

/** How long a replacement waits for the tenant's own writes in flight, in milliseconds. */
const lockTimeoutMs = 30_000

/** @throws {TenantMovingError} while the tenant is being switched: it is served elsewhere in a moment. */
async function lockGate(connection: CopyConnection, { id }: PlacedTenant, lock: 'for share' | 'for no key update'): Promise<void> {
  await connection.query(`set local lock_timeout = ${lockTimeoutMs}`)
  const [gate] = await connection.query<{ state: string }>(`select g.state from partywall.gates as g where g.tenant_id = $1 ${lock}`, [id])
  await connection.query('set local lock_timeout = 0')
  if (gate?.state === 'fenced' || gate?.state === 'moved')
    throw new TenantMovingError('The tenant is being moved. Try again when it has moved.')
}

const pollMs = 20
const olderMaxMs = 60_000

/**
 * A transaction that was open before the gate's state changed may still write without a lock. Nothing tells whose it is: all that are
 * open in the database are waited for. Nobody is paused meanwhile.
 */
async function untilOlderAreOver(connections: FleetConnections, tenant: PlacedTenant, signal: AbortSignal | undefined): Promise<void> {
  const { server, database } = tenant.placement
  const [here] = await connections.asMigrator(database, (control) => control.query<{ name: string }>('select current_database() as name'))
  const open = async (): Promise<readonly string[]> => {
    const rows = await connections.asAdministrator(server, (admin) =>
      admin.query<{ transaction: string }>(
        `select a.pid || ' since ' || a.xact_start as transaction
           from pg_catalog.pg_stat_activity as a
          where a.datname = $1 and a.backend_type = 'client backend' and a.xact_start is not null and a.pid <> pg_backend_pid()`,
        [here!.name],
      ),
    )
    return rows.map(({ transaction }) => transaction)
  }
  let left = await open()
  for (let waitedMs = 0; left.length > 0; waitedMs += pollMs) {
    if (signal?.aborted === true) throw new AbortedError('The replacement was cancelled. Nothing was replaced.')
    if (waitedMs >= olderMaxMs) {
      throw new OperationInProgressError(
        `Transactions are open for too long, and may write: process ${left.slice(0, 5).join(', process ')}. End them, or try again later.`,
      )
    }
    await wait(pollMs)
    const now = await open()
    left = left.filter((transaction) => now.includes(transaction))
  }
}

/** Children first. Only tables that come back are emptied: of others the backup knows nothing. */
async function deleteAll(
  connection: CopyConnection,
  present: readonly CopyTable[],
  staged: readonly StagedTable[],
): Promise<ReadonlyMap<string, number>> {
  const deleted = new Map<string, number>()
  const known = new Set(staged.map(({ table }) => table.name))
  for (const table of [...present].reverse()) {
    if (!known.has(table.name)) continue
    // No row of anybody else's can be reached: the policies of the owner, who acts for this tenant, hold.
    const rows = await constrained(() =>
      connection.query<{ count: string }>(
        `with gone as (delete from ${table.sqlName} as t returning 1) select count(*)::text as count from gone`,
      ),
    )
    deleted.set(table.name, Number(only(rows).count))
  }
  return deleted
}

async function insertStaged(
  connection: CopyConnection,
  { table, columns, stage }: StagedTable,
  { mode, keys }: Pick<MergeOptions, 'mode' | 'keys'>,
): Promise<WrittenTable> {
  const wanted = keys?.get(table.name)
  if (table.key.length === 0 && (mode === 'overwrite' || wanted !== undefined)) {
    throw new InvalidInputError(`${table.name} has no primary key, by which rows could be chosen or overwritten.`)
  }
  const list = columns.map(quoted).join(', ')
  const others = columns.filter((column) => !table.key.includes(column))
  const [ours, theirs] = [others.map((column) => `t.${quoted(column)}`), others.map((column) => `excluded.${quoted(column)}`)]
  const overwrites = mode === 'overwrite' && others.length > 0
  const conflict = overwrites
    ? `do update set ${others.map((column) => `${quoted(column)} = excluded.${quoted(column)}`).join(', ')}
        where (${ours.join(', ')}) is distinct from (${theirs.join(', ')})`
    : 'do nothing'
  const key = table.key.map(quoted).join(', ')
  const own = rowKey(table).map((column) => `s.${quoted(column)}::text`)
  const chosen =
    wanted === undefined ? '' : `where to_jsonb(array[${own.join(', ')}]::text[]) in (select k from jsonb_array_elements($1::jsonb) as k)`
  const rows = await constrained(() =>
    connection.query<{ inserted: string; updated: string }>(
      `with done as (
         insert into ${table.sqlName} as t (${list}) overriding system value
         select ${list} from ${stage} as s ${chosen}
         ${table.key.length === 0 ? '' : `on conflict (${key}) ${conflict}`}
         returning t.xmax = 0 as is_new
       )
       select count(*) filter (where is_new)::text as inserted, count(*) filter (where not is_new)::text as updated from done`,
      wanted === undefined ? [] : [JSON.stringify(wanted)],
    ),
  )
  const { inserted, updated } = only(rows)
  return { table: table.name, inserted: Number(inserted), updated: Number(updated), deleted: 0 }
}

/** The columns by which a tenant's row is known to people: the primary key without the tenant. */
export function rowKey({ key, tenantColumn }: Pick<CopyTable, 'key' | 'tenantColumn'>): readonly string[] {
  return key.filter((column) => column !== tenantColumn)
}

/** Class 23: a row is refused. Its values are the tenant's, and stay out of the message. */
async function constrained<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    const cause = (error as Error).cause ?? error
    if (error instanceof ConstraintError || sqlstateOf(cause)?.startsWith('23') !== true) throw error
    const { constraint, table, message } = cause as pg.DatabaseError
    throw new ConstraintError(`The rows do not fit those that are there: ${message}. Nothing was changed.`, {
      cause: error,
      details: { table, constraint },
    })
  }
}
