// What PostgreSQL runs outside a transaction only, and what may be in a file that has none.

import type { Node } from '@pgsql/types'
import type { LintRule } from './rule.ts'

export const concurrentlyInTransaction: LintRule = {
  name: 'concurrently-in-transaction',
  level: 'refused',
  *check({ statements, isTransactional }) {
    const outside = statements.filter(({ node }) => needsNoTransaction(node))
    if (isTransactional) {
      for (const { line } of outside) {
        yield {
          line,
          problem: 'PostgreSQL runs this statement outside a transaction only.',
          remedy: 'Give it a file of its own whose first line is the directive.',
          fix: '-- partywall: no-transaction',
        }
      }
      return
    }
    const [first] = statements
    if (statements.length !== 1 || outside.length !== 1) {
      yield {
        line: statements[1]?.line ?? first?.line ?? 1,
        problem: 'A file without a transaction has exactly one statement, one that may be repeated when it was interrupted.',
        remedy: 'It is CREATE, DROP or REINDEX INDEX CONCURRENTLY, or VACUUM. Put everything else into a file of its own.',
      }
    } else if (first !== undefined && 'IndexStmt' in first.node && first.node.IndexStmt.idxname === undefined) {
      yield {
        line: first.line,
        problem: 'The index has no name: after an interruption its remains could not be told from another index.',
        remedy: 'Name it.',
      }
    }
  },
}

function needsNoTransaction(node: Node): boolean {
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true
  if ('DropStmt' in node) return node.DropStmt.concurrent === true
  if ('VacuumStmt' in node) return node.VacuumStmt.is_vacuumcmd === true
  if ('ReindexStmt' in node) {
    return (node.ReindexStmt.params ?? []).some((param) => 'DefElem' in param && param.DefElem.defname === 'concurrently')
  }
  return false
}
