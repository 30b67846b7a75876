// Where an import writes: the tenant's own tables, by the owner who acts for the tenant behind the same policies as everybody else
// (partywall.act_for). A mistake here can reach no other tenant's rows.

import { setTimeout as wait } from 'node:timers/promises'
import type { GateState, PlacedTenant } from '../../core/placement-adapter.ts'
import { tenantKey } from '../../core/tenant-key.ts'
import { OperationInProgressError, TenantMovingError, TenantReadOnlyError } from '../../errors.ts'
import type { TargetTable } from '../../portability/import-plan.ts'
import {
  type ImportMode,
  type ImportProgress,
  type ImportSession,
  type ImportTarget,
  noProgress,
  type SavedImport,
} from '../../portability/import-target.ts'
import type { ControlConnection } from '../control-pool.ts'
import { sqlstateOf } from '../placements/placement-site.ts'
import { quoted } from '../table-shape.ts'
import { linkRows, type Writing, writeRows } from './import-statements.ts'
import { type PlacedTable, placedTables } from './placed-tables.ts'
import type { LendMigrator } from './tenant-rows-source.ts'

const attemptsMax = 8
const firstWaitMs = 20
/** Rows that somebody else has locked are waited for, and not for ever. */
const lockTimeoutMs = 10_000
/** What is known of an import that is over stays so long: in that time the same command says so, instead of doing it again. */
const keptDays = 30

export class PostgresImport implements ImportTarget {
  readonly #asMigrator: LendMigrator
  readonly #tenant: PlacedTenant
  readonly #mode: ImportMode
  #tables: readonly PlacedTable[] | undefined

  constructor(asMigrator: LendMigrator, tenant: PlacedTenant, mode: ImportMode) {
    this.#asMigrator = asMigrator
    this.#tenant = tenant
    this.#mode = mode
  }

  async tables(): Promise<readonly TargetTable[]> {
    const tables = await this.#placed()
    const { id, keys } = this.#tenant
    return tables.map((table) => ({
      ...table,
      tenantKey:
        table.tenantType === 'uuid' || keys[table.tenantType] !== undefined ? tenantKey({ id, keys }, table.tenantType) : undefined,
    }))
  }

  async saved(importId: string): Promise<SavedImport | undefined> {
    const { id, placement } = this.#tenant
    const [row] = await this.#asMigrator(
      placement.database,
      async (control) =>
        await control.query<{ turn: string; progress: ImportProgress; isDone: boolean }>(
          'select i.turn, i.progress, i.is_done as "isDone" from partywall.imports as i where i.tenant_id = $1 and i.import_id = $2',
          [id, importId],
        ),
    )
    return row === undefined ? undefined : { ...row, turn: Number(row.turn) }
  }

  async transaction<T>(
    importId: string,
    fn: (session: ImportSession) => Promise<T>,
    { isRepeatable = false }: { readonly isRepeatable?: boolean | undefined } = {},
  ): Promise<T> {
    const tables = await this.#placed()
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#acting(async (connection) => await fn(this.#session(connection, tables, importId)))
      } catch (error) {
        if (!isRepeatable || attempt === attemptsMax || !isOthersRight(error)) throw error
        await wait(firstWaitMs * 2 ** (attempt - 1))
      }
    }
  }

  #session(connection: ControlConnection, tables: readonly PlacedTable[], importId: string): ImportSession {
    const { id, keys } = this.#tenant
    const writing = (table: TargetTable): Writing => {
      const placed = tables.find(({ name }) => name === table.name)!
      return { connection, table: placed, tenantKey: tenantKey({ id, keys }, placed.tenantType), mode: this.#mode }
    }
    return {
      write: async (batch) => await writeRows(writing(batch.table), batch),
      link: async (batch) => await linkRows(writing(batch.table), batch),
      claim: async (turn) => await claim(connection, { tenantId: id, importId }, turn),
      save: async (progress, isDone) => await save(connection, { tenantId: id, importId }, { progress, isDone }),
    }
  }

  /** In a transaction that may act on the tenant's rows, however long it takes. The capability is never committed. */
  async #acting<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T> {
    const { id, keys, placement } = this.#tenant
    return await this.#asMigrator(
      placement.database,
      async (control) =>
        await control.transaction(async (connection) => {
          await connection.query(`set local lock_timeout = ${lockTimeoutMs}; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'`)
          await connection.query(`set local search_path = ${quoted(placement.schema)}, pg_temp`)
          // A constraint that is checked at the commit could not say which row it is that breaks it.
          await connection.query('set constraints all immediate')
          const [acting] = await connection.query<{ isMade: boolean }>('select partywall.act_for($1, $2, $3) as "isMade"', [
            id,
            keys.bigint,
            keys.text,
          ])
          await connection.query(
            `update partywall.capabilities as c
                set expires_at = 'infinity'
              where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid`,
          )
          await assertWritable(connection, this.#tenant, acting!.isMade)
          const result = await fn(connection)
          await connection.query('select partywall.stop_acting($1, $2)', [id, acting!.isMade])
          return result
        }),
    )
  }

  async #placed(): Promise<readonly PlacedTable[]> {
    const { database, schema } = this.#tenant.placement
    this.#tables ??= await this.#asMigrator(
      database,
      async (control) =>
        await control.transaction(async (connection) => {
          await connection.query(`set local search_path = ${quoted(schema)}, pg_temp`)
          return await placedTables(connection, schema)
        }),
    )
    return this.#tables
  }
}

/**
 * Acting for a tenant asks no gate, so that it is asked here. It is read after this transaction has its number: whoever begins to move
 * the tenant later waits for it, and what a move has begun to carry away takes no more rows.
 *
 * @throws {TenantMovingError} {@link TenantReadOnlyError}
 */
async function assertWritable(connection: ControlConnection, { id }: PlacedTenant, isMade: boolean): Promise<void> {
  const [gate] = await connection.query<{ state: GateState }>('select g.state from partywall.gates as g where g.tenant_id = $1', [id])
  if (isMade || gate === undefined) throw new TenantMovingError(`Tenant ${id} is not here: it was moved, or its place was never made.`)
  switch (gate.state) {
    case 'open':
    case 'suspended':
      return
    case 'read_only':
      throw new TenantReadOnlyError(`Tenant ${id} is read-only. Open it, and import then.`)
    default:
      throw new TenantMovingError(`Tenant ${id} is being moved (${gate.state}). Import when the move is over.`)
  }
}

interface ImportKey {
  readonly tenantId: string
  readonly importId: string
}

async function claim(connection: ControlConnection, { tenantId, importId }: ImportKey, turn: number): Promise<void> {
  const text =
    turn === 0
      ? `insert into partywall.imports (tenant_id, import_id, turn, progress)
         values ($1, $2, 1, $3)
             on conflict on constraint imports_pkey do nothing
         returning 1`
      : 'select 1 from partywall.imports as i where i.tenant_id = $1 and i.import_id = $2 and i.turn = $3 for update'
  const claimed = await connection
    .query(text, [tenantId, importId, turn === 0 ? JSON.stringify(noProgress) : turn])
    .catch((error: unknown) => {
      throw sqlstateOf(error) === '55P03' ? inProgress(importId, error) : error
    })
  if (claimed.length === 0) throw inProgress(importId)
}

function inProgress(importId: string, cause?: unknown): OperationInProgressError {
  return new OperationInProgressError(`Another process goes on with import ${importId}. What it has written stays.`, { cause })
}

async function save(
  connection: ControlConnection,
  { tenantId, importId }: ImportKey,
  { progress, isDone }: { readonly progress: ImportProgress; readonly isDone: boolean },
): Promise<void> {
  await connection.query(
    `update partywall.imports as i
        set turn = i.turn + 1, progress = $3, is_done = $4, changed_at = clock_timestamp()
      where i.tenant_id = $1 and i.import_id = $2`,
    [tenantId, importId, JSON.stringify(progress), isDone],
  )
  if (!isDone) return
  await connection.query(
    `delete from partywall.imports as i
      where i.tenant_id = $1 and i.import_id <> $2 and i.is_done and i.changed_at < clock_timestamp() - make_interval(days => ${keptDays})`,
    [tenantId, importId],
  )
}

/** Deadlocks, lock timeouts and serialization failures: we come again. */
function isOthersRight(error: unknown): boolean {
  return ['40P01', '55P03', '40001'].includes(sqlstateOf(error) ?? '')
}
