// The lint: what in a set of migrations would block, break or leak, found before it runs.

import type { MigrationSet } from '../migration-set.ts'
import { blockingIndex } from './blocking-index.ts'
import { changeType } from './change-type.ts'
import { constraintWithoutNotValid } from './constraint-without-not-valid.ts'
import { dropColumn } from './drop-column.ts'
import { dropTable } from './drop-table.ts'
import { keyWithoutTenant } from './key-without-tenant.ts'
import { findingsOf } from './lint-file.ts'
import { notNullWithoutDefault } from './not-null-without-default.ts'
import { qualifiedName } from './qualified-name.ts'
import { refusedRules } from './refusals.ts'
import { rename } from './rename.ts'
import type { LintFinding, LintRule } from './rule.ts'
import { sharedSequence } from './shared-sequence.ts'
import { tableLock } from './table-lock.ts'
import { unprotectedTable } from './unprotected-table.ts'
import { volatileDefault } from './volatile-default.ts'
import { walledRows } from './walled-rows.ts'

/** All rules, by name. */
export const lintRules: readonly LintRule[] = [
  blockingIndex,
  changeType,
  constraintWithoutNotValid,
  dropColumn,
  dropTable,
  keyWithoutTenant,
  notNullWithoutDefault,
  qualifiedName,
  ...refusedRules,
  rename,
  sharedSequence,
  tableLock,
  unprotectedTable,
  volatileDefault,
  walledRows,
].sort((a, b) => (a.name < b.name ? -1 : 1))

export interface LintOptions {
  /** Look at files after this version only; those before it are known, and not judged. Default: at all. */
  readonly after?: string | undefined
  /** Default `tenant_id`. */
  readonly tenantColumn?: string | undefined
}

/** What the rules find, by file and line. An allowance for a rule that does not exist is a finding too: it would allow nothing. */
export function lintMigrations(set: MigrationSet, options: LintOptions = {}): readonly LintFinding[] {
  const { after = '', tenantColumn = 'tenant_id' } = options
  return set.files.flatMap((file, index) => {
    if (file.version <= after) return []
    const earlier = set.files.slice(0, index).flatMap(({ statements = [] }) => statements)
    const unknown = [...file.directives.allowed.keys()].filter((name) => lintRules.every((rule) => rule.name !== name))
    return [
      ...unknown.map((name) => ({
        rule: 'unknown-rule',
        level: 'error' as const,
        file: file.file,
        line: 1,
        problem: `There is no rule ${name} to allow.`,
        remedy: `The rules: ${lintRules.map((rule) => rule.name).join(', ')}.`,
        fix: null,
      })),
      ...findingsOf(file, lintRules, { earlier, tenantColumn }),
    ]
  })
}
