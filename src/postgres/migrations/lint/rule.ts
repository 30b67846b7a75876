// What a rule of the lint is. Each is one file, with a test and a section of docs/reference/migration-lint.md under the same name.

import type { SqlStatement } from '../sql-statements.ts'

/**
 * `refused`: no runner runs such a file. `error`: it breaks or blocks what is running; a directive may allow it. `warning`: look twice.
 */
export type LintLevel = 'refused' | 'error' | 'warning'

/** One thing that a rule has found. */
export interface LintFinding {
  readonly rule: string
  readonly level: LintLevel
  readonly file: string
  /** From 1. */
  readonly line: number
  /** What would break. */
  readonly problem: string
  readonly remedy: string
  /** SQL that does the same without harm; null where it cannot be known. */
  readonly fix: string | null
}

/** What a rule is shown. */
export interface LintFile {
  readonly isTransactional: boolean
  readonly statements: readonly SqlStatement[]
  /** Statements of the files before it. */
  readonly earlier: readonly SqlStatement[]
  /** Tables that the file itself creates: they are empty, and nobody uses them yet. */
  readonly created: ReadonlySet<string>
  /** Tables that this file, or one before it, declares global. */
  readonly globals: ReadonlySet<string>
  /** The column that names the tenant. */
  readonly tenantColumn: string
}

/** What a rule says; the rest of the finding is known. */
export type RuleFinding = Pick<LintFinding, 'line' | 'problem' | 'remedy'> & { readonly fix?: string | undefined }

export interface LintRule {
  readonly name: string
  readonly level: LintLevel
  check(file: LintFile): Iterable<RuleFinding>
}
