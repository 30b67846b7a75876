// A table as an attack sees it: its names, a row of the victim's, a row of one's own, and the columns that tell them apart.

import { quoted } from '../../postgres/table-shape.ts'
import type { Row } from './seed.ts'
import type { SurveyedColumn, SurveyedTable } from './survey.ts'

export interface TableTarget {
  readonly table: SurveyedTable
  /** `schema.table`, quoted. */
  readonly sql: string
  /** The tenant's column, quoted. */
  readonly tenant: string
  readonly victimRow: Row
  readonly ownRow: Row
  /** All of one's own. */
  readonly ownRows: readonly Row[]
  readonly ownCount: number
  /** The victim's and the attacker's id, in the type of the tenant's column. */
  readonly victimKey: string
  readonly ownKey: string
  /** A column in which the victim's values are its own: of the primary key if possible. */
  readonly telling: SurveyedColumn | undefined
  /** A text that carries the mark. */
  readonly text: SurveyedColumn | undefined
  /** A column that may be overwritten, with a value for it. */
  readonly writable: { readonly column: SurveyedColumn; readonly value: string } | undefined
}

/** A text as PostgreSQL reads it, for statements that take no parameters. */
export function literal(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  const doubled = text.replaceAll("'", "''")
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}

/** A row with a tenant and one changed column, from a row that is there: for `insert`. Generated columns are left out. */
export function inserted(target: TableTarget, row: Row, changes: Row): string {
  const columns = target.table.columns.filter(({ isGenerated }) => !isGenerated)
  const values = columns.map(({ name, type }) => {
    const value = name in changes ? changes[name] : row[name]
    return value === null || value === undefined ? 'null' : `${literal(value)}::${type}`
  })
  return `insert into ${target.sql} (${columns.map(({ name }) => quoted(name)).join(', ')}) values (${values.join(', ')})`
}

/** Columns of unique keys without the tenant's: what a copy of a row must have new values in. */
export function keyColumns({ table }: TableTarget): readonly string[] {
  return [...new Set(table.keys.flatMap(({ columns }) => columns))].filter((name) => name !== table.tenantColumn)
}
