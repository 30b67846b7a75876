// A table that the same file neither puts behind the wall nor declares global. The runner would refuse the file at its end.

import type { LintRule } from './rule.ts'
import { bareName, callsIn } from './tree.ts'

export const unprotectedTable: LintRule = {
  name: 'unprotected-table',
  level: 'error',
  *check({ statements }) {
    const calls = statements.flatMap(({ node }) => callsIn(node))
    const settled = new Set(
      calls.flatMap(({ name, text }) =>
        (name === 'partywall.protect' || name === 'partywall.declare_global') && text !== undefined ? bareName(text) : [],
      ),
    )
    for (const { node, line } of statements) {
      const relation =
        'CreateStmt' in node && node.CreateStmt.partbound === undefined
          ? node.CreateStmt.relation
          : 'CreateTableAsStmt' in node && node.CreateTableAsStmt.objtype === 'OBJECT_TABLE'
            ? node.CreateTableAsStmt.into?.rel
            : undefined
      const name = relation?.relname
      if (name === undefined || relation?.relpersistence === 't' || settled.has(name)) continue
      yield {
        line,
        problem: `${name} is neither behind the wall nor declared global: nobody has said whose rows it holds.`,
        remedy: 'Protect it in the same file; or declare it global, with the reason, if it holds nothing of any tenant.',
        fix: `select partywall.protect('${name}');`,
      }
    }
  },
}
