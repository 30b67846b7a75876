// Tables behind the wall, from TypeScript. The work is done by partywall.protect() in the database (sql/wall/0010-protect.sql), so
// that a migration written in SQL and one written in code get the same wall and the same refusals.

import pg from 'pg'
import { InvalidInputError, TableRefusedError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'

/** One reason why a table cannot stand behind the wall. */
export interface TableFinding {
  readonly rule: string
  readonly object: string
  readonly problem: string
  /** SQL that mends it; null where a person must decide. */
  readonly fix: string | null
}

/**
 * Puts a table behind the wall. Nothing changes when it is refused; calling it again is harmless.
 *
 * @param table As PostgreSQL takes it: `app.documents`, quoted where it must be.
 * @throws {TableRefusedError} with each finding and the SQL that mends it.
 */
export async function protectTable(migrator: ControlConnection, table: string, tenantColumn = 'tenant_id'): Promise<void> {
  await refusing(() => migrator.query('select partywall.protect($1::regclass, $2)', [table, tenantColumn]))
}

/**
 * Declares that a table holds no tenant's data: the same rows for all, read-only for the app.
 *
 * @param reason At least ten characters: it is read by auditors.
 * @throws {TableRefusedError} when it is behind the wall already.
 */
export async function declareGlobalTable(migrator: ControlConnection, table: string, reason: string): Promise<void> {
  if (reason.trim().length < 10)
    throw new InvalidInputError('declareGlobal() needs a reason of at least ten characters: it is read by auditors.')
  await refusing(() => migrator.query('select partywall.declare_global($1::regclass, $2)', [table, reason]))
}

/** Runs a migration's statement; a refusal of partywall.protect() in it comes out as what it is. */
export async function refusing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== 'PW010') throw error
    const findings = JSON.parse(error.detail ?? '[]') as readonly TableFinding[]
    const fixes = findings.flatMap((finding) => finding.fix ?? [])
    throw new TableRefusedError(`${error.message}${fixes.length === 0 ? '' : `\nSQL that mends it:\n${fixes.join('\n')}`}`, {
      cause: error,
      details: { findings },
    })
  }
}
