// Applies an application's migrations to one schema: once each, in order, each whole or not at all.
//
//   ledger ──> next file ──> a turn (advisory lock) ──> statements ──> the wall stands? ──> ledger row, COMMIT ──┐
//     ^                                                                                                        │
//     └────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// A lock that is not to be had within lock_timeout gives way to the application, and the file is tried again. Whoever waited
// for a turn reads the ledger again, so that two runners share the work.

import type { ControlPool } from '../control-pool.ts'
import { applyFile } from './apply-file.ts'
import { applyOutsideTransaction } from './apply-outside-transaction.ts'
import { assertWanted, type RetryBounds, withAttempts } from './attempts.ts'
import { pendingFiles, readLedger } from './ledger.ts'
import { isContention, isOvertaken } from './migration-failure.ts'
import type { MigrationFile, MigrationSet } from './migration-set.ts'

/** How the statements of migrations run. */
export interface MigrationLimits {
  /** How long a statement waits for a lock before the file gives way. Default 5,000; outside a transaction 60,000. */
  readonly lockTimeoutMs?: number | undefined
  /** How long a statement runs at most. Default 600,000. */
  readonly statementTimeoutMs?: number | undefined
}

export interface ApplyOptions extends MigrationLimits {
  /** The version to stop at; default the newest. */
  readonly to?: string | undefined
  /** Who the ledger says has applied it. Default `partywall`. */
  readonly appliedBy?: string | undefined
  readonly retry?: RetryBounds | undefined
  /** Takes effect between two statements. What has been applied stays. */
  readonly signal?: AbortSignal | undefined
  readonly onApplied?: ((migration: AppliedMigration) => void) | undefined
}

/** One file that was applied now. */
export interface AppliedMigration {
  readonly schema: string
  readonly version: string
  readonly file: string
}

/** What one file needs to be applied. */
export interface FileTask {
  readonly pool: ControlPool
  readonly schema: string
  readonly migration: MigrationFile
  /** The version that the schema has now; null for none. */
  readonly after: string | null
  readonly appliedBy: string
  readonly limits: MigrationLimits
  readonly signal: AbortSignal
}

/**
 * Applies what a schema lacks.
 *
 * @param pool Connections of the migrator's login to the schema's database.
 * @param schema `app`, or the schema of one tenant.
 * @returns what was applied now, by this call.
 * @throws {MigrationError} when a file fails, or contradicts the ledger. {@link TableRefusedError} when a table is not, or cannot
 * be, behind the wall. {@link DatabaseUnavailableError} when the connection is lost: run it again.
 */
export async function applyMigrations(
  pool: ControlPool,
  schema: string,
  set: MigrationSet,
  options: ApplyOptions = {},
): Promise<readonly AppliedMigration[]> {
  const { appliedBy = 'partywall', signal = new AbortController().signal } = options
  const applied: AppliedMigration[] = []
  // Each round applies a file, or learns that another runner did: there are as many rounds as files, and one that finds nothing.
  for (let round = 0; round <= set.files.length; round += 1) {
    assertWanted(signal)
    const ledger = await readLedger(pool, [schema])
    const [migration] = pendingFiles(set, ledger, options.to)
    if (migration === undefined) break
    const after = ledger.at(-1)?.version ?? null
    const apply = migration.directives.isTransactional ? applyFile : applyOutsideTransaction
    const task: FileTask = { pool, schema, migration, after, appliedBy, limits: options, signal }
    if (!(await applyUnlessOvertaken(() => apply(task), { ...options.retry, signal }))) continue
    const done = { schema, version: migration.version, file: migration.file }
    applied.push(done)
    options.onApplied?.(done)
  }
  return applied
}

/** False when another runner was faster. */
async function applyUnlessOvertaken(apply: () => Promise<void>, retry: RetryBounds & { readonly signal: AbortSignal }): Promise<boolean> {
  try {
    await withAttempts({ ...retry, isRetried: (error) => isContention(causeOf(error)) }, apply)
    return true
  } catch (error) {
    if (isOvertaken(causeOf(error))) return false
    throw error
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}
