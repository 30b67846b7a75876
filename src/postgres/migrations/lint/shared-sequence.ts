// Numbers from a sequence that all tenants share tell each how much the others write.

import type { LintRule } from './rule.ts'
import { callsIn, strings, walk } from './tree.ts'

const serials = new Set(['serial', 'serial2', 'serial4', 'serial8', 'smallserial', 'bigserial'])

export const sharedSequence: LintRule = {
  name: 'shared-sequence',
  level: 'error',
  *check({ statements, globals }) {
    for (const { node, line, lineAt } of statements) {
      const table =
        'CreateStmt' in node
          ? node.CreateStmt.relation?.relname
          : 'AlterTableStmt' in node
            ? node.AlterTableStmt.relation?.relname
            : undefined
      if (table !== undefined && globals.has(table)) continue
      const lines: number[] = 'CreateSeqStmt' in node ? [line] : []
      walk(node, (kind, value) => {
        const at = value as { names?: []; contype?: string; location?: number }
        if (kind === 'typeName' && serials.has(strings(at.names).at(-1) ?? '')) lines.push(lineAt(at.location))
        if (kind === 'Constraint' && at.contype === 'CONSTR_IDENTITY') lines.push(lineAt(at.location))
      })
      for (const { name, location } of callsIn(node)) if (name === 'nextval' || name === 'pg_catalog.nextval') lines.push(lineAt(location))
      for (const found of new Set(lines)) {
        yield {
          line: found,
          problem:
            'A sequence is shared by all tenants of a database: its numbers tell each how much the others write, and a move would have to carry it.',
          remedy: 'Use a uuid that grows with time.',
          fix: 'id uuid not null default partywall.uuidv7()',
        }
      }
    }
  },
}
