// From a row of a file to what is sent to the database: what can be known to be wrong is refused here, ids are mapped.

import { arrayLiteral } from './cell-text.ts'
import { parseExactly } from './exact-json.ts'
import type { FileRow } from './file-row.ts'
import type { PlannedTable } from './import-plan.ts'
import { mappedId } from './map-ids.ts'
import type { PortableColumn, RowTexts } from './portable-table.ts'

export type RowKey = Readonly<Record<string, string | null>>

/** Rows of one table that name the same columns. */
export interface RowShape {
  readonly columns: readonly PortableColumn[]
  /** Those of the columns that a second pass writes; none when the row has no key by which it would be found again. */
  readonly late: readonly string[]
}

export interface ImportRow {
  readonly line: number
  /** Its primary key, as the file has it. */
  readonly key: () => RowKey
  readonly shape: RowShape
  /** One for each of the shape's columns, as the database takes it. */
  readonly cells: RowTexts
}

export interface BadRow {
  readonly line: number
  readonly key: () => RowKey
  readonly problem: string
}

interface Reading extends RowShape {
  readonly problem?: string | undefined
  /** Where the tenant stands in the row, when it does. */
  readonly tenantAt: number
  /** Where each of the columns stands. */
  readonly at: readonly number[]
  readonly mapped: readonly boolean[]
  readonly keyAt: readonly (readonly [string, number])[]
}

/** What makes rows of one table. Lists of columns are read once. */
export function rowReader(planned: PlannedTable, ids: { readonly importId: string; readonly columns: ReadonlySet<string> } | undefined) {
  const readings = new WeakMap<readonly string[], Reading>()
  const none = (): RowKey => ({})
  return (row: FileRow): ImportRow | BadRow => {
    const { line, columns, cells } = row
    if (row.problem !== undefined) return { line, key: none, problem: row.problem }
    const reading = readings.get(columns) ?? readingOf(planned, columns, ids?.columns ?? new Set())
    readings.set(columns, reading)
    // Few rows are refused: the key is made for those alone.
    const key = (): RowKey => Object.fromEntries(reading.keyAt.map(([name, at]) => [name, cells[at] ?? null]))
    const problem = reading.problem ?? tenantProblem(planned, reading.tenantAt, cells)
    if (problem !== undefined) return { line, key, problem }
    try {
      const texts = reading.columns.map((column, i) => {
        const text = cells[reading.at[i]!] ?? null
        if (text === null) return null
        if (reading.mapped[i] === true && ids !== undefined) return mappedId(ids.importId, text)
        return column.kind === 'array' && text.startsWith('[') ? arrayLiteral(parseExactly(text)) : text
      })
      return { line, key, shape: reading, cells: texts }
    } catch (error) {
      return { line, key, problem: `A list cannot be read: ${(error as Error).message}` }
    }
  }
}

/** What no row with these columns can be, or undefined. */
export function columnProblem(planned: PlannedTable, columns: readonly string[]): string | undefined {
  return readingOf(planned, columns, new Set()).problem
}

function readingOf({ table, late }: PlannedTable, names: readonly string[], mapped: ReadonlySet<string>): Reading {
  const own = names.flatMap((name, at) => {
    const column = table.columns.find((other) => other.name === name)
    return column === undefined ? [] : [{ column, at }]
  })
  const hasKey = table.key.every((name) => names.includes(name))
  return {
    columns: own.map(({ column }) => column),
    late: hasKey ? late.filter((name) => names.includes(name)) : [],
    problem: namesProblem(table, names),
    tenantAt: names.indexOf(table.tenantColumn),
    at: own.map(({ at }) => at),
    mapped: own.map(({ column }) => mapped.has(column.name)),
    keyAt: table.key.filter((name) => names.includes(name)).map((name) => [name, names.indexOf(name)] as const),
  }
}

function namesProblem(table: PlannedTable['table'], names: readonly string[]): string | undefined {
  const unknown = names.filter((name) => name !== table.tenantColumn && table.columns.every((column) => column.name !== name))
  const computed = unknown.filter((name) => table.generated.includes(name))
  if (computed.length > 0) return `${computed.join(', ')} is computed by the database: leave it away.`
  if (unknown.length > 0) return `${table.name} has no column ${unknown.map((name) => JSON.stringify(name)).join(', ')}.`
  const missing = table.columns.filter(({ name, isNullable, hasDefault }) => !isNullable && !hasDefault && !names.includes(name))
  return missing.length > 0 ? `${missing.map(({ name }) => name).join(', ')} is missing, and must have a value.` : undefined
}

/** A row that says whose it is must be this tenant's: nothing is made this tenant's by being sent to it. */
function tenantProblem({ table }: PlannedTable, at: number, cells: RowTexts): string | undefined {
  if (table.tenantKey === undefined) return `The tenant has no key of the type that ${table.name} knows tenants by.`
  if (at === -1) return undefined
  // A uuid has more than one spelling; the other keys have one.
  const said = table.tenantType === 'uuid' ? cells[at]?.toLowerCase() : cells[at]
  return said === table.tenantKey ? undefined : `Its ${table.tenantColumn} names another tenant.`
}
