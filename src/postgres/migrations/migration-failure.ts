// What went wrong in a migration, in our words: the file, the line, the schema, and what to do.

import pg from 'pg'
import { DatabaseFullError, MigrationError, TableRefusedError, TenancyError } from '../../errors.ts'
import { isConnectionFailure } from '../control-pool.ts'
import { refusing } from '../protect.ts'
import type { MigrationFile } from './migration-set.ts'
import { lineOf, type SqlStatement } from './sql-statements.ts'

/** Where a migration was when it failed. */
export interface MigrationPlace {
  readonly migration: MigrationFile
  readonly schema: string
  /** The statement that ran; undefined at the file's beginning and end, and in a TypeScript step. */
  readonly statement?: SqlStatement | undefined
}

/** Locks that were not to be had, deadlocks and serialization failures: the same file may pass when it is tried again. */
export function isContention(error: unknown): boolean {
  return error instanceof pg.DatabaseError && ['55P03', '40P01', '40001'].includes(error.code ?? '')
}

/** The schema has moved on since its ledger was read: another runner was faster. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === 'PW012'
}

/** The error to throw for what PostgreSQL, or a TypeScript step, has thrown. */
export async function migrationFailure(error: unknown, place: MigrationPlace): Promise<unknown> {
  if (isConnectionFailure(error)) return error
  const { migration, schema, statement } = place
  const { version, file } = migration
  const line = lineOfFailure(error, place)
  const where = `${file}${line === undefined ? '' : `:${line}`} in ${schema}`
  const details = { version, file, schema, line }
  if (error instanceof TenancyError) return error
  if (!(error instanceof pg.DatabaseError)) {
    return new MigrationError(`${where} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error, details })
  }
  switch (error.code) {
    case 'PW010':
      return await tableRefusal(error, `${where}: `, details)
    case '53100':
    case '53200':
    case '53400':
      return new DatabaseFullError(`${where}: the database has no room left: ${error.message}.`, { cause: error, details })
    case '55P03':
    case '40P01':
    case '40001':
      return new MigrationError(
        `${where} collided with other transactions in every attempt: ${error.message}. Find who holds the lock (pg_blocking_pids), or run it at a quieter time.`,
        { cause: error, retryable: true, details: { ...details, sqlState: error.code } },
      )
    default:
      return new MigrationError(`${where} failed: ${error.message}${statement === undefined ? '' : ` (${firstLine(statement.text)})`}`, {
        cause: error,
        details: { ...details, sqlState: error.code },
      })
  }
}

/** What protect() and assert_walled() refuse, with the SQL that mends it and the place where it was refused. */
async function tableRefusal(error: pg.DatabaseError, where: string, details: Readonly<Record<string, unknown>>): Promise<unknown> {
  try {
    return await refusing(() => Promise.reject(error))
  } catch (refusal) {
    if (!(refusal instanceof TableRefusedError)) return refusal
    return new TableRefusedError(`${where}${refusal.message}`, { cause: error, details: { ...refusal.details, ...details } })
  }
}

function lineOfFailure(error: unknown, { migration, statement }: MigrationPlace): number | undefined {
  if (statement === undefined) return undefined
  const position = error instanceof pg.DatabaseError ? Number(error.position) : Number.NaN
  return Number.isInteger(position) && position > 0 ? lineOf(migration.text, statement.offset + position - 1) : statement.line
}

function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? ''
  return line.length > 100 ? `${line.slice(0, 100)} …` : line
}
