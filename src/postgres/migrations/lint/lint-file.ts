// A migration as the rules of the lint see it.

import type { MigrationFile } from '../migration-set.ts'
import type { SqlStatement } from '../sql-statements.ts'
import type { LintFinding, LintRule } from './rule.ts'
import { bareName, callsIn } from './tree.ts'

/** What is known beside the file. */
export interface LintSurroundings {
  readonly earlier: readonly SqlStatement[]
  readonly tenantColumn: string
}

/** What a file has against these rules, in the order of its lines. What the file allows with a reason is left out. */
export function findingsOf(migration: MigrationFile, rules: readonly LintRule[], around: LintSurroundings): readonly LintFinding[] {
  const { file, directives, statements } = migration
  if (statements === undefined) return []
  const shown = {
    isTransactional: directives.isTransactional,
    statements,
    earlier: around.earlier,
    created: createdTables(statements),
    globals: globalTables([...around.earlier, ...statements]),
    tenantColumn: around.tenantColumn,
  }
  return rules
    .filter(({ name, level }) => level === 'refused' || !directives.allowed.has(name))
    .flatMap(({ name, level, check }) => [...check(shown)].map(({ fix = null, ...found }) => ({ rule: name, level, file, ...found, fix })))
    .sort((a, b) => a.line - b.line)
}

function createdTables(statements: readonly SqlStatement[]): ReadonlySet<string> {
  return new Set(
    statements.flatMap(({ node }) => {
      if ('CreateStmt' in node) return node.CreateStmt.relation?.relname ?? []
      return 'CreateTableAsStmt' in node ? (node.CreateTableAsStmt.into?.rel?.relname ?? []) : []
    }),
  )
}

function globalTables(statements: readonly SqlStatement[]): ReadonlySet<string> {
  const calls = statements.flatMap(({ node }) => callsIn(node)).filter(({ name }) => name === 'partywall.declare_global')
  return new Set(calls.flatMap(({ text }) => (text === undefined ? [] : bareName(text))))
}
