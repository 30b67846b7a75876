// Dropping a table that the version which still runs may use.

import type { LintRule } from './rule.ts'
import { strings } from './tree.ts'

export const dropTable: LintRule = {
  name: 'drop-table',
  level: 'error',
  *check({ statements, created }) {
    for (const { node, line } of statements) {
      if (!('DropStmt' in node) || node.DropStmt.removeType !== 'OBJECT_TABLE') continue
      const names = (node.DropStmt.objects ?? []).map((object) => ('List' in object ? (strings(object.List.items).at(-1) ?? '') : ''))
      for (const name of names.filter((table) => !created.has(table))) {
        yield {
          line,
          problem: `The version of the application that still runs may use ${name}; its data is gone for good.`,
          remedy: 'Release a version that does not use the table, wait until it alone runs, and drop the table then, with the reason.',
          fix: '-- partywall: allow drop-table because no version since <version> uses it',
        }
      }
    }
  },
}
