// Where an import writes: a port. postgres/portability/postgres-import.ts is PostgreSQL, behind the policies.

import type { TargetTable } from './import-plan.ts'
import type { ImportRow, RowShape } from './import-row.ts'

/** Why the database refused a row. */
export interface RowRefusal {
  readonly row: ImportRow
  readonly reason: string
  readonly sqlstate?: string | undefined
  readonly constraint?: string | undefined
  readonly column?: string | undefined
}

/** How far one table is. */
export interface TableProgress {
  /** Rows of the file that were read. */
  readonly read: number
  readonly written: number
  readonly refused: number
  /** Rows that are there without a reference which was refused. */
  readonly unlinked: number
}

/** Of a table that has not been begun. */
export const nothingYet: TableProgress = Object.freeze({ read: 0, written: 0, refused: 0, unlinked: 0 })

/** What is told while an import runs. */
export interface ImportTold {
  readonly table: string
  /** Rows of all tables that were read, of so many. */
  readonly rows: number
  readonly rowsTotal: number
  readonly refused: number
}

/** How far an import is. What is behind it is never done again. */
export interface ImportProgress {
  /** The pass that is under way; passes are counted in the order of the plan. */
  readonly pass: number
  /** Rows of the file of this pass that are done. */
  readonly rows: number
  readonly refusedBytes: number
  readonly tables: Readonly<Record<string, TableProgress>>
}

export type ImportMode = 'insert' | 'upsert'

export interface WriteBatch {
  readonly table: TargetTable
  readonly shape: RowShape
  readonly rows: readonly ImportRow[]
}

/** One transaction on the tenant's rows. What it refuses has left no trace in it. */
export interface ImportSession {
  /** Writes rows, the late columns as null. @returns those that the database refused, each with its reason. */
  write(batch: WriteBatch): Promise<readonly RowRefusal[]>
  /** Writes the late columns of rows that are there. */
  link(batch: WriteBatch): Promise<readonly RowRefusal[]>
  /**
   * Makes this import this transaction's alone, before anything else. With turn 0 it is a new one.
   *
   * @throws {OperationInProgressError} when another process is at it, or has kept something since `turn`.
   */
  claim(turn: number): Promise<void>
  /** Keeps how far the import is, in this transaction. The turn after it is one more. */
  save(progress: ImportProgress, isDone: boolean): Promise<void>
}

/** Of an import that has done nothing yet. */
export const noProgress: ImportProgress = Object.freeze({ pass: 0, rows: 0, refusedBytes: 0, tables: {} })

/** What is known of an import in the tenant's database. */
export interface SavedImport {
  readonly turn: number
  readonly progress: ImportProgress
  readonly isDone: boolean
}

export interface ImportTarget {
  tables(): Promise<readonly TargetTable[]>
  saved(importId: string): Promise<SavedImport | undefined>
  /**
   * Runs `fn` in a transaction; it is rolled back when `fn` throws.
   *
   * @param options.isRepeatable run it again, a bounded number of times, when another transaction was in the way.
   */
  transaction<T>(
    importId: string,
    fn: (session: ImportSession) => Promise<T>,
    options?: { readonly isRepeatable?: boolean | undefined },
  ): Promise<T>
}
