// Findings of the lint, for people.

import type { LintFinding } from '../postgres/migrations/lint/rule.ts'
import { printable } from './columns.ts'

/** A finding as two or three lines: where and what, the remedy, and the SQL that does it. */
export function lintLines(findings: readonly LintFinding[]): readonly string[] {
  return findings.flatMap(({ rule, level, file, line, problem, remedy, fix }) =>
    [
      `${file}:${line}: ${level}: ${rule}: ${problem}`,
      `  ${remedy}`,
      ...(fix === null ? [] : fix.split('\n').map((text) => `  ${text}`)),
    ].map(printable),
  )
}
