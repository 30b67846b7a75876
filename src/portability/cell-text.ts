// A value of JSON as the text that PostgreSQL takes for the column.

import { numberText } from './exact-json.ts'
import type { PortableColumn } from './portable-table.ts'

/** A value that has no place in the column: the message says why. */
export interface CellProblem {
  readonly problem: string
}

export function cellText(column: PortableColumn | undefined, value: unknown): string | null | CellProblem {
  if (column?.kind === 'json') {
    // Null is what a column without a value has. Where there must be one, it can only be JSON's own.
    if (value === null) return column.isNullable ? null : 'null'
    return JSON.stringify(value)
  }
  if (value === null) return null
  if (column?.kind === 'array') {
    return Array.isArray(value) ? JSON.stringify(value) : { problem: `${column.name} is not a list.` }
  }
  // Half of a pair would be sent as another character, and nobody would know.
  if (typeof value === 'string')
    return value.isWellFormed() ? value : { problem: `${column?.name ?? 'A column'} has half of a surrogate pair.` }
  if (typeof value === 'boolean') return String(value)
  const number = numberText(value)
  if (number !== undefined) return number
  if (column?.type === 'json') return JSON.stringify(value)
  return {
    problem: `${column?.name ?? 'A column'} is ${Array.isArray(value) ? 'a list' : 'an object'}, and the column is ${column?.type ?? 'unknown'}.`,
  }
}

/**
 * A list of JSON as an array of PostgreSQL.
 *
 * @throws {SyntaxError} when the text is not JSON.
 */
export function arrayLiteral(list: unknown): string {
  if (Array.isArray(list)) return `{${list.map(arrayLiteral).join(',')}}`
  if (list === null) return 'NULL'
  const text = typeof list === 'string' ? list : (numberText(list) ?? (typeof list === 'boolean' ? String(list) : JSON.stringify(list)))
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
