// One file in one transaction, with its row in the ledger.

import pg from 'pg'
import { MigrationError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FileTask } from './apply-migrations.ts'
import { assertWanted } from './attempts.ts'
import { migrationFailure } from './migration-failure.ts'
import type { MigrationFile, MigrationModule, MigrationStep } from './migration-set.ts'
import { type SqlStatement, sqlStatements } from './sql-statements.ts'

/** Waits for a lock, by default. Long enough for a short transaction to end, short enough for the queue behind it to forgive. */
export const lockTimeoutMsDefault = 5_000
export const statementTimeoutMsDefault = 600_000

/** Applies a file. The error says where it failed; its cause is what PostgreSQL said. */
export async function applyFile(task: FileTask): Promise<void> {
  const { pool, schema, migration, after, appliedBy, signal } = task
  let statement: SqlStatement | undefined
  try {
    await pool.transaction(async (connection) => {
      await connection.query(transactionSettings(task))
      // Before the lock timeout: whoever waits for another runner's turn waits as long as a statement may.
      await connection.query('select partywall.begin_migration($1, $2, $3)', [schema, migration.version, after])
      await connection.query(`set local lock_timeout = ${lockTimeoutMs(task, lockTimeoutMsDefault)}`)
      if (migration.statements === undefined) await runStep(connection, task)
      for (const next of migration.statements ?? []) {
        assertWanted(signal)
        statement = next
        await connection.query(next.text)
      }
      statement = undefined
      await connection.query('select partywall.end_migration($1, $2, $3, $4, $5)', [
        schema,
        migration.version,
        migration.file,
        migration.sha256,
        appliedBy,
      ])
    })
  } catch (error) {
    throw await migrationFailure(error, { migration, schema, statement })
  }
}

/** Exactly the schema: a name that is not there must not be found somewhere else. */
function transactionSettings({ schema, migration, limits }: FileTask): string {
  const timeout = migration.directives.statementTimeoutMs ?? limits.statementTimeoutMs ?? statementTimeoutMsDefault
  return `set local search_path to ${pg.escapeIdentifier(schema)}, pg_temp; set local lock_timeout = 0; set local statement_timeout = ${timeout}`
}

/** What the file asks for comes before what the caller does. */
export function lockTimeoutMs({ migration, limits }: Pick<FileTask, 'migration' | 'limits'>, otherwise: number): number {
  return migration.directives.lockTimeoutMs ?? limits.lockTimeoutMs ?? otherwise
}

async function runStep(connection: ControlConnection, { migration, schema, signal }: FileTask): Promise<void> {
  const module = (await import(migration.url.href)) as Partial<MigrationModule>
  if (typeof module.up !== 'function') {
    throw new MigrationError(`${migration.file} does not export up(step).`, {
      details: { version: migration.version, file: migration.file, schema },
    })
  }
  const step: MigrationStep = {
    schema,
    signal,
    query: async (text, values) => {
      assertWanted(signal)
      await assertKeepsTransaction(migration, text)
      return await connection.query(text, values)
    },
  }
  await module.up(step)
}

/** A COMMIT in a step would leave a half of it behind when the other fails. */
async function assertKeepsTransaction(migration: MigrationFile, text: string): Promise<void> {
  if (!/\b(begin|start|commit|end|rollback|abort|savepoint|release|prepare|set|reset|discard)\b/i.test(text)) return
  const statements = await sqlStatements(text, migration.file)
  if (statements.every(({ node }) => !('TransactionStmt' in node || 'VariableSetStmt' in node || 'DiscardStmt' in node))) return
  throw new MigrationError(`${migration.file} controls its transaction or its session: that is the runner's.`, {
    details: { version: migration.version, file: migration.file },
  })
}
