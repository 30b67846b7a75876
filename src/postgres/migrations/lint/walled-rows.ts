// Rows of tables behind the wall, touched as if there were none: the policies hold for the owner too, and no tenant is bound.

import type { LintRule } from './rule.ts'
import { alterCommands, declaredConstraints } from './tree.ts'

export const walledRows: LintRule = {
  name: 'walled-rows',
  level: 'error',
  *check({ statements, earlier, globals }) {
    const references = new Map(
      declaredConstraints([...earlier, ...statements])
        .filter(({ constraint }) => constraint.contype === 'CONSTR_FOREIGN')
        .map(({ table, constraint }) => [`${table}.${constraint.conname}`, constraint.pktable?.relname ?? '']),
    )
    for (const { node, line, text } of statements) {
      const relation =
        'UpdateStmt' in node
          ? node.UpdateStmt.relation
          : 'DeleteStmt' in node
            ? node.DeleteStmt.relation
            : 'InsertStmt' in node
              ? node.InsertStmt.relation
              : undefined
      const table = relation?.relname
      if (table === undefined || globals.has(table)) continue
      yield { line, ...advice(`The statement touches rows of ${table}`, text.trim(), [table]) }
    }
    for (const { table, command, statement } of alterCommands(statements)) {
      const other = references.get(`${table}.${command.name}`)
      if (command.subtype !== 'AT_ValidateConstraint' || other === undefined) continue
      yield { line: statement.line, ...advice(`Validating ${command.name} reads rows of ${table}`, statement.text.trim(), [table, other]) }
    }
  },
}

function advice(what: string, text: string, tables: readonly string[]) {
  return {
    problem: `${what}, and no tenant is bound: the wall holds for the owner of a table too, and refuses it.`,
    remedy:
      'Say that it is meant for all tenants. The tables are locked until the transaction ends: in large ones, fill in batches from the application, tenant by tenant.',
    fix: `select partywall.across_tenants($sql$${text}$sql$, ${tables.map((table) => `'${table}'`).join(', ')});`,
  }
}
