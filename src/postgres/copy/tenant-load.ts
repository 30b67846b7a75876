// One tenant's rows written in bulk into the place that is to hold them, in whatever placement, with every constraint on.
//
// COPY FROM is refused where row-level security holds, so that this is done by a login for one transfer, for which it does not. What
// keeps other tenants' rows out is the statement itself: PostgreSQL drops every row whose tenant is another (`copy … where`), and what
// it took must be as many rows as were sent. The application's own triggers fire, as for every insert.

import pg from 'pg'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { tenantKey } from '../../core/tenant-key.ts'
import { ConfigurationError, ConstraintError, WrongTenantError } from '../../errors.ts'
import { sqlstateOf } from '../placements/placement-site.ts'
import { quoted } from '../table-shape.ts'
import { CopyConnection } from './copy-connection.ts'
import { type CopyTable, copyTables } from './copy-tables.ts'
import { rowsIn, wholeRows } from './copy-text.ts'
import { type TableDigest, tableDigest } from './table-digest.ts'
import { fixTextForm, liftTimeLimits } from './text-form.ts'

/** The rows of one table that are to be there. */
export interface LoadedRows {
  /** Without the schema. */
  readonly table: string
  /** What the text has, in its order. Columns of the table that are not named get their defaults. */
  readonly columns: readonly string[]
  /** COPY's text form: one line for each row, the tenant's column with the key that the tenant has in the target. */
  readonly rows: () => AsyncIterable<Buffer>
}

export interface TenantLoadOptions {
  /** URL of a login for which policies do not hold, to the tenant's database: a TransferLogin's. */
  readonly url: string
  /** Whose rows they are to be. */
  readonly tenant: PlacedTenant
  readonly tables: readonly LoadedRows[]
  /**
   * `all`: every table in one transaction, so that the whole of it is there or nothing. `table`: a transaction for each, so that a load
   * that broke can be gone on with. Default `all`.
   */
  readonly atomic?: 'all' | 'table' | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when a table's rows are there; with `all`, not yet committed. */
  readonly onTable?: ((table: LoadedTable) => void) | undefined
  /** Called in the transaction before it is committed, with a connection for which policies do not hold. When it throws, nothing is kept. */
  readonly beforeCommit?: ((connection: CopyConnection, tables: readonly CopyTable[]) => Promise<void>) | undefined
}

export interface LoadedTable {
  readonly table: string
  /** Of the tenant, in this load. */
  readonly rows: number
}

/**
 * Writes rows of one tenant. Tables are loaded parents first, whatever their order in `tables`; statistics are brought up to date after
 * each, since references are checked by plans that would be made for empty tables otherwise. No table behind the wall counts in a
 * sequence, so that there is none to set.
 *
 * @throws {WrongTenantError} when a row is another tenant's. {@link ConstraintError} when a constraint of the target refuses a row, or
 * tables refer to each other in a circle. {@link ConfigurationError} when the target has no such table or column.
 * {@link AbortedError} when the signal fires. Nothing of the transaction is kept then.
 */
export async function loadTenant(options: TenantLoadOptions): Promise<readonly LoadedTable[]> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'partywall transfer', keepAlive: true })
  const connection = new CopyConnection(client, options.signal)
  try {
    await client.connect()
    const targets = await plannedTables(connection, options)
    const steps = options.atomic === 'table' ? targets.map((target) => [target]) : [targets]
    const loaded: LoadedTable[] = []
    for (const step of steps) loaded.push(...(await inTransaction(connection, options, step)))
    return loaded
  } finally {
    await client.end().catch(() => {})
  }
}

interface Target {
  readonly table: CopyTable
  readonly source: LoadedRows
}

async function plannedTables(connection: CopyConnection, { tenant, tables, atomic }: TenantLoadOptions): Promise<readonly Target[]> {
  const present = await copyTables(connection, tenant)
  const targets: Target[] = []
  for (const table of present) {
    const source = tables.find((each) => each.table === table.name)
    if (source !== undefined) targets.push({ table, source })
  }
  for (const { table, columns } of tables) {
    const target = targets.find((each) => each.source.table === table)
    if (target === undefined) {
      throw new ConfigurationError(
        `There is no table ${JSON.stringify(table)} behind the wall in ${tenant.placement.schema}, or the tenant has no key of its type. ` +
          'Bring the place to the version of the rows first.',
      )
    }
    for (const column of columns) refuseUnknownColumn(target.table, column)
    if (!columns.includes(target.table.tenantColumn)) {
      throw new ConfigurationError(`The rows of ${table} come without their tenant column ${target.table.tenantColumn}.`)
    }
  }
  refuseCircles(targets, atomic === 'table')
  return targets
}

function refuseUnknownColumn(table: CopyTable, column: string): void {
  const found = table.columns.find(({ name }) => name === column)
  if (found !== undefined && !found.isGenerated) return
  const why = found === undefined ? 'the table has no such column' : 'PostgreSQL computes it: leave it out'
  throw new ConfigurationError(`The rows of ${table.name} have a column ${JSON.stringify(column)}: ${why}.`)
}

function refuseCircles(targets: readonly Target[], isOneByOne: boolean): void {
  const loaded = new Set(targets.map(({ table }) => table.name))
  for (const { table } of targets) {
    const parents = [...table.circle, ...(isOneByOne ? table.deferred : [])].filter((parent) => loaded.has(parent))
    if (parents.length === 0) continue
    const how = isOneByOne ? 'Load all tables in one transaction, and make one of the references' : 'Make one of the references'
    throw new ConstraintError(
      `${table.name} and ${parents.join(', ')} refer to each other in a circle, so that neither can be loaded first. ` +
        `${how} deferrable: alter table … alter constraint … deferrable.`,
      { details: { table: table.name, parents } },
    )
  }
}

async function inTransaction(
  connection: CopyConnection,
  options: TenantLoadOptions,
  targets: readonly Target[],
): Promise<readonly LoadedTable[]> {
  await connection.query('begin')
  try {
    await liftTimeLimits(connection)
    await fixTextForm(connection)
    // Names in the application's own triggers and checks mean what they mean to the application.
    await connection.query(`set local search_path to ${quoted(options.tenant.placement.schema)}, pg_temp`)
    await connection.query('set constraints all deferred')
    // As many rows as are loaded would be as many changes in the audit log.
    await connection.query('set local partywall.audit_changes = off')
    const loaded: LoadedTable[] = []
    for (const { table, source } of targets) {
      const rows = await load(connection, options.tenant, table, source)
      await connection.query(`analyze ${table.sqlName}`)
      const done = { table: table.name, rows }
      loaded.push(done)
      options.onTable?.(done)
    }
    // Now, and not at the commit: what they refuse is told as what it is.
    await constrained(targets.at(-1)?.table.name ?? '', () => connection.query('set constraints all immediate'))
    await options.beforeCommit?.(
      connection,
      targets.map(({ table }) => table),
    )
    await connection.query('commit')
    return loaded
  } catch (error) {
    await connection.rollback()
    throw error
  }
}

async function load(connection: CopyConnection, tenant: PlacedTenant, table: CopyTable, source: LoadedRows): Promise<number> {
  const key = pg.escapeLiteral(tenantKey(tenant, table.tenantType))
  let sent = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const block of wholeRows(source.rows())) {
      sent += rowsIn(block)
      yield block
    }
  }
  const taken = await constrained(table.name, () =>
    connection.copyIn(
      `copy ${table.sqlName} (${source.columns.map(quoted).join(', ')}) from stdin where ${quoted(table.tenantColumn)} = ${key}::${table.tenantType}`,
      counted(),
    ),
  )
  if (taken === sent) return taken
  throw new WrongTenantError(
    `Of ${sent} rows for ${table.name}, ${sent - taken} are not of tenant ${tenant.id}: nothing was loaded. ` +
      'Rows of another tenant are given its key by a rewrite of the tenant column.',
    { details: { table: table.name, sent, taken } },
  )
}

/** Class 23: the row is refused. Its values are the tenant's, and stay out of the message. */
async function constrained<T>(table: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    if (sqlstateOf(error)?.startsWith('23') !== true) throw error
    const { constraint, column, message, table: at = table } = error as pg.DatabaseError
    throw new ConstraintError(`A row of ${at} cannot be loaded: ${message}.`, {
      cause: error,
      details: { table: at, constraint, column, sqlstate: sqlstateOf(error) },
    })
  }
}

/** Count and checksum of a tenant's rows where policies do not hold for the connection. */
export async function loadedDigest(connection: CopyConnection, tenant: PlacedTenant, table: CopyTable): Promise<TableDigest> {
  const { sqlName, copied, tenantColumn, tenantType } = table
  return await tableDigest(connection, {
    sqlName,
    columns: copied.filter((column) => column !== tenantColumn),
    of: { tenantColumn, tenantType, key: tenantKey(tenant, tenantType) },
  })
}
