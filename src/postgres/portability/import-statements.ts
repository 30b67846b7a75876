// The statements of an import: many rows in one, halved around a row that the database refuses until that row is alone.

import type { ImportRow } from '../../portability/import-row.ts'
import type { ImportMode, RowRefusal, WriteBatch } from '../../portability/import-target.ts'
import type { PortableColumn } from '../../portability/portable-table.ts'
import type { ControlConnection } from '../control-pool.ts'
import { sqlstateOf } from '../placements/placement-site.ts'
import { quoted } from '../table-shape.ts'
import type { PlacedTable } from './placed-tables.ts'

export interface Writing {
  readonly connection: ControlConnection
  readonly table: PlacedTable
  readonly tenantKey: string
  readonly mode: ImportMode
}

/**
 * What the database holds against a row (classes of https://www.postgresql.org/docs/current/errcodes-appendix.html): its values (22), a
 * constraint (23), the same row twice (21), its length (54), a policy (42501), a trigger (P0), a view's check (44). The rest is
 * nothing that another row would do better.
 */
const ofTheRow = /^(?:21|22|23|44|54|P0)...$|^42501$/

/** Writes rows; late columns stay null, and of rows that are there already as they are. */
export async function writeRows(writing: Writing, { shape, rows }: WriteBatch): Promise<readonly RowRefusal[]> {
  const { table, mode } = writing
  const written = shape.columns.flatMap((column, i) => (shape.late.includes(column.name) ? [] : [{ column, i }]))
  const columns = written.map(({ column }) => column)
  const text = insertText(table, columns, mode)
  return await halving(writing.connection, rows, async (some) => {
    const lists = written.map(({ i }) => some.map(({ cells }) => cells[i] ?? null))
    await writing.connection.query(text, [writing.tenantKey, some.map((_, n) => n), ...lists])
  })
}

/** Writes the late columns of rows that are there. */
export async function linkRows(writing: Writing, { shape, rows }: WriteBatch): Promise<readonly RowRefusal[]> {
  const { table } = writing
  const used = shape.columns.flatMap((column, i) =>
    shape.late.includes(column.name) || table.key.includes(column.name) ? [{ column, i }] : [],
  )
  const columns = used.map(({ column }) => column)
  const text = updateText(table, columns, shape.late)
  return await halving(writing.connection, rows, async (some) => {
    await writing.connection.query(text, [
      writing.tenantKey,
      some.map((_, n) => n),
      ...used.map(({ i }) => some.map(({ cells }) => cells[i] ?? null)),
    ])
  })
}

/** One bad row among n costs 2 log2 n statements. Each runs behind a savepoint, since an error would end the transaction. */
async function halving(
  connection: ControlConnection,
  rows: readonly ImportRow[],
  run: (rows: readonly ImportRow[]) => Promise<void>,
): Promise<readonly RowRefusal[]> {
  await connection.query('savepoint partywall_import')
  try {
    await run(rows)
    await connection.query('release savepoint partywall_import')
    return []
  } catch (error) {
    if (!ofTheRow.test(sqlstateOf(error) ?? '')) throw error
    await connection.query('rollback to savepoint partywall_import')
    await connection.query('release savepoint partywall_import')
    if (rows.length === 1) return [refusalOf(rows[0]!, error as DatabaseRefusal)]
  }
  const middle = rows.length >> 1
  return [...(await halving(connection, rows.slice(0, middle), run)), ...(await halving(connection, rows.slice(middle), run))]
}

interface DatabaseRefusal {
  readonly message: string
  readonly code: string
  readonly detail?: string
  readonly constraint?: string
  readonly column?: string
}

function refusalOf(row: ImportRow, { message, code, detail, constraint, column }: DatabaseRefusal): RowRefusal {
  return { row, reason: detail === undefined ? message : `${message}: ${detail}`, sqlstate: code, constraint, column }
}

function insertText(table: PlacedTable, columns: readonly PortableColumn[], mode: ImportMode): string {
  const names = [table.tenantColumn, ...columns.map(({ name }) => name)].map(quoted)
  return `insert into ${table.sqlName} as t (${names.join(', ')})
    select ${[`$1::${table.tenantType}`, ...columns.map((column, i) => typedText(table, column, i))].join(', ')}
      from ${sent(columns)}
     order by u.n${mode === 'upsert' ? onConflict(table, columns) : ''}`
}

function onConflict(table: PlacedTable, columns: readonly PortableColumn[]): string {
  const isThere = (name: string): boolean => columns.some((column) => column.name === name)
  // Rows that come without their key are always new.
  if (!table.key.every(isThere)) return ''
  const key = [table.tenantColumn, ...table.key].map(quoted).join(', ')
  const changed = columns.filter(({ name }) => !table.key.includes(name)).map(({ name }) => `${quoted(name)} = excluded.${quoted(name)}`)
  return `\n        on conflict (${key}) do ${changed.length === 0 ? 'nothing' : `update set ${changed.join(', ')}`}`
}

function updateText(table: PlacedTable, columns: readonly PortableColumn[], late: readonly string[]): string {
  const value = (name: string): string => {
    const at = columns.findIndex((column) => column.name === name)
    return typedText(table, columns[at]!, at)
  }
  return `update ${table.sqlName} as t
       set ${late.map((name) => `${quoted(name)} = ${value(name)}`).join(', ')}
      from ${sent(columns)}
     where ${[`t.${quoted(table.tenantColumn)} = $1::${table.tenantType}`, ...table.key.map((name) => `t.${quoted(name)} = ${value(name)}`)].join(' and ')}`
}

/** Texts, as they were read; `u.n` keeps their order. */
function sent(columns: readonly PortableColumn[]): string {
  const lists = ['$2::int[]', ...columns.map((_, i) => `$${i + 3}::text[]`)]
  return `unnest(${lists.join(', ')}) as u (${['n', ...columns.map((_, i) => `c${i}`)].join(', ')})`
}

function typedText(table: PlacedTable, { name, kind }: PortableColumn, i: number): string {
  if (kind === 'bytes') return `decode(u.c${i}, 'base64')`
  return kind === 'text' && table.casts.get(name) === 'text' ? `u.c${i}` : `u.c${i}::${table.casts.get(name)}`
}
