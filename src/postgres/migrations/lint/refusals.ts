// What no migration may do: every file is held against these rules when it is read, and no directive allows them.

import type { MigrationFile } from '../migration-set.ts'
import { concurrentlyInTransaction } from './concurrently-in-transaction.ts'
import { findingsOf } from './lint-file.ts'
import { ownTransaction } from './own-transaction.ts'
import type { LintFinding, LintRule } from './rule.ts'

export const refusedRules: readonly LintRule[] = [ownTransaction, concurrentlyInTransaction]

/** Why a file cannot be run; empty when it can. */
export function refusals(migration: MigrationFile): readonly LintFinding[] {
  return findingsOf(migration, refusedRules, { earlier: [], tenantColumn: '' })
}
