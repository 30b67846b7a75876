// Building an index on a table that is in use: writers wait until it is finished.

import type { LintRule } from './rule.ts'
import { declaredConstraints } from './tree.ts'

export const blockingIndex: LintRule = {
  name: 'blocking-index',
  level: 'error',
  *check({ statements, created }) {
    for (const { node, line, text } of statements) {
      if (!('IndexStmt' in node) || node.IndexStmt.concurrent === true || created.has(node.IndexStmt.relation?.relname ?? '')) continue
      yield {
        line,
        problem: `CREATE INDEX blocks every write to ${node.IndexStmt.relation?.relname} until the index is built.`,
        remedy: 'Build it concurrently, in a file of its own without a transaction.',
        fix: `-- partywall: no-transaction\n${text.trim().replace(/^(create\s+(?:unique\s+)?index)\b/i, '$1 concurrently')};`,
      }
    }
    for (const { table, constraint, columns, isNewTable, statement } of declaredConstraints(statements)) {
      const isKey = constraint.contype === 'CONSTR_UNIQUE' || constraint.contype === 'CONSTR_PRIMARY'
      if (!isKey || isNewTable || created.has(table) || constraint.indexname !== undefined) continue
      const kind = constraint.contype === 'CONSTR_UNIQUE' ? 'unique' : 'primary key'
      const name = constraint.conname ?? `${table}_${columns.join('_')}_key`
      yield {
        line: statement.lineAt(constraint.location),
        problem: `Adding the ${kind} builds its index while all reads and writes of ${table} wait.`,
        remedy: 'Build a unique index concurrently in a file of its own, and make the constraint of it in the next.',
        fix: `-- partywall: no-transaction\ncreate unique index concurrently ${name} on ${table} (${columns.join(', ')});\n-- next file:\nalter table ${table} add constraint ${name} ${kind} using index ${name};`,
      }
    }
  },
}
