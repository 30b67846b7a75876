// One tenant's rows for an export: a snapshot behind the policies, each table as texts that any program can read.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { TenantRows } from '../../portability/export-tenant.ts'
import type { PortableColumn, RowTexts } from '../../portability/portable-table.ts'
import { copyValue, wholeRows } from '../copy/copy-text.ts'
import { openTenantSnapshot, type TenantSnapshot } from '../copy/tenant-snapshot.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { mayHoldRowsOf } from '../placements/tenant-tables.ts'
import { quoted } from '../table-shape.ts'
import { type PlacedTable, placedTables } from './placed-tables.ts'

/** Lends connections of the migrator's login to the database where a tenant lives. */
export type LendMigrator = FleetConnections['asMigrator']

/** Runs `fn` with the tenant's rows as of one moment, in a transaction that ends with it. */
export async function withTenantRows<T>(
  tenant: PlacedTenant,
  options: { readonly asMigrator: LendMigrator; readonly signal?: AbortSignal | undefined },
  fn: (rows: TenantRows) => Promise<T>,
): Promise<T> {
  const { asMigrator, signal } = options
  // One connection: a reader of files has one disk to write to, and the neighbours want theirs.
  return await openTenantSnapshot({ asMigrator }, tenant, { connections: 1, signal }, async (snapshot) => {
    const tables = await snapshot.read(async (connection) => {
      await connection.query(`set local search_path = ${quoted(tenant.placement.schema)}, pg_temp; set local intervalstyle = 'iso_8601'`)
      // Of tables that know tenants by a key which this one does not have, none holds a row of it.
      return (await placedTables(connection, tenant.placement.schema)).filter(mayHoldRowsOf(tenant.keys))
    })
    const rows: TenantRows['rows'] = ({ name }) => rowsOf(snapshot, tables.find((table) => table.name === name)!)
    return await fn({ tenant: tenant.id, takenAt: snapshot.takenAt, snapshot: snapshot.lsn, tables, rows })
  })
}

async function* rowsOf(snapshot: TenantSnapshot, { columns, sqlName }: PlacedTable): AsyncGenerator<readonly RowTexts[]> {
  const dates = columns.flatMap(({ kind }, i) => (kind === 'timestamp' || kind === 'timestamptz' ? [i] : []))
  for await (const block of wholeRows(snapshot.copyQuery(`select ${columns.map(textOf).join(', ')} from ${sqlName} as t`))) {
    yield block
      .toString('utf8', 0, block.length - 1)
      .split('\n')
      .map((line) => rowTexts(line, dates))
  }
}

function rowTexts(line: string, dates: readonly number[]): RowTexts {
  const texts: (string | null)[] = line.split('\t')
  for (let i = 0; i < texts.length; i++) texts[i] = copyValue(texts[i]!)
  for (const i of dates) texts[i] = isoTime(texts[i] ?? null)
  return texts
}

/** `2026-01-31 10:00:00+00` as ISO 8601 writes it. Infinity and years before our era stay as PostgreSQL has them. */
function isoTime(text: string | null): string | null {
  if (text === null || text[10] !== ' ' || text.endsWith(' BC')) return text
  return `${text.slice(0, 10)}T${text.slice(11)}${text.endsWith('+00') ? ':00' : ''}`
}

function textOf({ name, kind }: PortableColumn): string {
  const column = `t.${quoted(name)}`
  switch (kind) {
    case 'bytes':
      return `translate(encode(${column}, 'base64'), E'\\n', '')`
    case 'array':
      return `to_json(${column})`
    case 'boolean':
      // COPY would write t and f.
      return `${column}::text`
    default:
      return column
  }
}
