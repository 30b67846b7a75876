// Another type for a column: most changes write the table anew.

import type { LintRule } from './rule.ts'
import { alterCommands } from './tree.ts'

export const changeType: LintRule = {
  name: 'change-type',
  level: 'error',
  *check({ statements, created }) {
    for (const { table, command, statement } of alterCommands(statements)) {
      if (command.subtype !== 'AT_AlterColumnType' || created.has(table)) continue
      yield {
        line: statement.line,
        problem: `Another type for ${table}.${command.name} may write the whole table and its indexes anew while everybody waits, and break the version that still runs.`,
        remedy:
          'Add a column of the new type, write both, fill it, read the new one, and drop the old one later. If PostgreSQL need not rewrite (varchar to text, a longer varchar), allow it with that reason.',
      }
    }
  },
}
