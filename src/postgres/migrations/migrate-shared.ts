// The shared schema of one database, brought up to date: for an application on one database, for development and tests.

import { ControlPool } from '../control-pool.ts'
import { withoutMoves } from '../moves/moves-lock.ts'
import { appSchema } from '../roles.ts'
import { type AppliedMigration, type ApplyOptions, applyMigrations } from './apply-migrations.ts'
import { readMigrations } from './migration-set.ts'

export interface MigrateSharedOptions extends ApplyOptions {
  /** URL of the migrator's login. */
  readonly admin: string
  /** Where the files are: `NNNN-what-it-does.sql`. */
  readonly directory: URL
}

/**
 * Applies what the schema `app` lacks. Two at the same time take turns.
 *
 * @returns what was applied now.
 * @throws as `readMigrations()` and `applyMigrations()` do. {@link OperationInProgressError} while a tenant moves from or to these tables.
 */
export async function migrateShared(options: MigrateSharedOptions): Promise<readonly AppliedMigration[]> {
  const set = await readMigrations(options.directory)
  const pool = new ControlPool({
    connectionString: options.admin,
    applicationName: 'partywall migrations',
    // One keeps moves from beginning meanwhile.
    connectionsMax: 2,
    statementTimeoutMs: 600_000,
  })
  try {
    return await withoutMoves(pool, () => applyMigrations(pool, appSchema, set, options))
  } finally {
    await pool.close()
  }
}
