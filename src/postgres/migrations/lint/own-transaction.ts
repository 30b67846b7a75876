// BEGIN, COMMIT and settings of the session: the runner's transaction would end early, or the next schema would start with them.

import type { Node } from '@pgsql/types'
import type { LintRule } from './rule.ts'

const fixedSettings = new Set(['search_path', 'role', 'session_authorization', 'row_security'])

export const ownTransaction: LintRule = {
  name: 'own-transaction',
  level: 'refused',
  *check({ statements }) {
    for (const { node, line } of statements) {
      const what = sessionActOf(node)
      if (what === undefined) continue
      yield {
        line,
        problem: `${what}: the ledger could not be written in the same transaction, or the next schema would begin with what is left of this one.`,
        remedy: 'Leave the transaction, the role and the search_path to the runner, and write SET LOCAL for other settings.',
      }
    }
  },
}

function sessionActOf(node: Node): string | undefined {
  if ('TransactionStmt' in node) return 'The file controls the transaction'
  if ('DiscardStmt' in node) return 'DISCARD empties the session'
  if ('VariableSetStmt' in node) {
    const { name = '', is_local: isLocal, kind } = node.VariableSetStmt
    if (kind === 'VAR_SET_MULTI' && name.startsWith('SESSION')) return `SET ${name} changes the session`
    if (fixedSettings.has(name)) return `SET ${name} changes what the runner has set`
    if (!isLocal && kind !== 'VAR_SET_MULTI') return `SET ${name} outlives the transaction`
  }
  if ('CreateStmt' in node && node.CreateStmt.relation?.relpersistence === 't' && node.CreateStmt.oncommit !== 'ONCOMMIT_DROP') {
    return 'The temporary table outlives the transaction (write ON COMMIT DROP)'
  }
  return undefined
}
