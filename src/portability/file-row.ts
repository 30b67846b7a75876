// A row as it came from a file, before it is known whether the database takes it.

import type { RowTexts } from './portable-table.ts'

export interface FileRow {
  /** Where it begins: a line of a text file, a row of a Parquet file; from 1. */
  readonly line: number
  /** The columns that it names. The same list for all rows that have the same. */
  readonly columns: readonly string[]
  readonly cells: RowTexts
  /** Why it cannot be a row; then it has no cells. */
  readonly problem?: string | undefined
}

const none: readonly never[] = []

/** A row that could not be read. */
export function unreadable(line: number, problem: string): FileRow {
  return { line, columns: none, cells: none, problem }
}

/** A longer line is refused, and not kept in memory. */
export const lineBytesMaxDefault = 16 * 1024 * 1024
