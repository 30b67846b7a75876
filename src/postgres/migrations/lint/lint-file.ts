// A migration as the rules of the lint see it.

import type { MigrationFile } from '../migration-set.ts'
import type { LintFile, LintFinding, LintRule } from './rule.ts'

/** What a file has against these rules, in the order of its lines. What the file allows with a reason is left out. */
export function findingsOf(migration: MigrationFile, rules: readonly LintRule[], tenantColumn: string): readonly LintFinding[] {
  const file = lintFile(migration, tenantColumn)
  if (file === undefined) return []
  return rules
    .filter(({ name, level }) => level === 'refused' || !migration.directives.allowed.has(name))
    .flatMap((rule) =>
      [...rule.check(file)].map(({ line, problem, remedy, fix }) => ({
        rule: rule.name,
        level: rule.level,
        file: migration.file,
        line,
        problem,
        remedy,
        fix: fix ?? null,
      })),
    )
    .sort((a, b) => a.line - b.line)
}

function lintFile({ file, directives, statements }: MigrationFile, tenantColumn: string): LintFile | undefined {
  if (statements === undefined) return undefined
  const created = new Set<string>()
  for (const { node } of statements) {
    if ('CreateStmt' in node) created.add(node.CreateStmt.relation?.relname ?? '')
    if ('CreateTableAsStmt' in node) created.add(node.CreateTableAsStmt.into?.rel?.relname ?? '')
  }
  return { file, isTransactional: directives.isTransactional, statements, created, tenantColumn }
}
