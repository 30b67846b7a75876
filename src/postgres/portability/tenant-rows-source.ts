// Reads one tenant's rows for an export, behind the policies, as of one moment, in pieces of bounded size.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { TenantRows } from '../../portability/export-tenant.ts'
import type { PortableColumn, RowTexts } from '../../portability/portable-table.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { mayHoldRowsOf } from '../placements/tenant-tables.ts'
import { quoted } from '../table-shape.ts'
import { type PlacedTable, placedTables } from './placed-tables.ts'

/** Lends connections of the migrator's login to the database where a tenant lives. */
export type LendMigrator = <T>(database: string, fn: (control: ControlPool) => Promise<T>) => Promise<T>

/** Characters of a piece that are wanted: how many rows that is, the pieces before it say. */
const pieceLengthWanted = 2 * 1024 * 1024
const firstRows = 100

interface ReadOptions {
  readonly asMigrator: LendMigrator
  /** Rows that are in memory at a time, at most. */
  readonly batchRows: number
}

/**
 * Runs `fn` with the tenant's rows, in one transaction of one snapshot that ends with it. The policies hold for the owner too: it has
 * a capability that lets it read, which nobody else ever sees, since it is never committed.
 */
export async function withTenantRows<T>(tenant: PlacedTenant, options: ReadOptions, fn: (rows: TenantRows) => Promise<T>): Promise<T> {
  const { database, schema } = tenant.placement
  return await options.asMigrator(
    database,
    async (control) =>
      await control.transaction(async (connection) => {
        await connection.query('set transaction isolation level repeatable read')
        await connection.query(`select set_config('search_path', $1, true)`, [`${quoted(schema)}, pg_temp`])
        await connection.query(
          `set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601'; set local extra_float_digits = 1`,
        )
        const capability = await bindForReading(connection, tenant)
        const [moment] = await connection.query<{ takenAt: Date; snapshot: string }>(
          `select transaction_timestamp() as "takenAt", pg_current_snapshot()::text as snapshot`,
        )
        // Of tables that know tenants by a key which this one does not have, none holds a row of it.
        const tables = (await placedTables(connection, schema)).filter(mayHoldRowsOf(tenant.keys))
        const { takenAt, snapshot } = moment!
        const rows = (table: { readonly name: string }): AsyncGenerator<readonly RowTexts[]> =>
          rowsOf(connection, tables.find(({ name }) => name === table.name)!, options.batchRows)
        const result = await fn({ tenant: tenant.id, takenAt, snapshot, tables, rows })
        await connection.query('delete from partywall.capabilities as c where c.capability = $1', [capability])
        return result
      }),
  )
}

async function bindForReading(connection: ControlConnection, tenant: PlacedTenant): Promise<string> {
  const [issued] = await connection.query<{ capability: string }>(
    `insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
     select gen_random_uuid(), g.tenant_id, 'read_only', 'infinity', 'export', g.key_bigint, g.key_text
       from partywall.gates as g
      where g.tenant_id = $1
     returning capability`,
    [tenant.id],
  )
  // Without a gate there is nobody to read for: bind() refuses what is not known.
  const capability = issued?.capability ?? '00000000-0000-0000-0000-000000000000'
  await connection.query('select partywall.bind($1)', [capability])
  return capability
}

async function* rowsOf(connection: ControlConnection, table: PlacedTable, batchRows: number): AsyncGenerator<readonly RowTexts[]> {
  const { columns } = table
  // A column's alias is its number, so that a row's values come in their order.
  const list = columns.map((column, i) => `${textOf(column)} as "${i}"`)
  await connection.query(`declare partywall_export no scroll cursor for select ${list.join(', ')} from ${table.sqlName} as t`)
  const dates = columns.flatMap(({ kind }, i) => (kind === 'timestamp' || kind === 'timestamptz' ? [i] : []))
  let count = Math.min(firstRows, batchRows)
  for (;;) {
    const piece = await connection.query<Record<string, string | null>>(`fetch ${count} from partywall_export`)
    if (piece.length === 0) break
    const rows = piece.map((row) => rowTexts(row, dates))
    yield rows
    const length = rows.reduce((sum, row) => row.reduce((all, text) => all + (text?.length ?? 0), sum), 0)
    count = Math.max(1, Math.min(batchRows, Math.floor((pieceLengthWanted / Math.max(1, length)) * rows.length)))
  }
  await connection.query('close partywall_export')
}

function rowTexts(row: Record<string, string | null>, dates: readonly number[]): RowTexts {
  const texts = Object.values(row)
  for (const i of dates) texts[i] = isoTime(texts[i] ?? null)
  return texts
}

/** `2026-01-31 10:00:00+00` as ISO 8601 writes it. Infinity and years before our era stay as PostgreSQL has them. */
function isoTime(text: string | null): string | null {
  if (text === null || text[10] !== ' ') return text
  return `${text.slice(0, 10)}T${text.slice(11)}${text.endsWith('+00') ? ':00' : ''}`
}

function textOf({ name, kind }: PortableColumn): string {
  const column = `t.${quoted(name)}`
  switch (kind) {
    case 'bytes':
      return `translate(encode(${column}, 'base64'), E'\\n', '')`
    case 'array':
      return `to_json(${column})::text`
    default:
      return `${column}::text`
  }
}
