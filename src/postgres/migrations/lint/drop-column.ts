// Dropping a column that the version which still runs may read.

import type { LintRule } from './rule.ts'
import { alterCommands } from './tree.ts'

export const dropColumn: LintRule = {
  name: 'drop-column',
  level: 'error',
  *check({ statements, created }) {
    for (const { table, command, statement } of alterCommands(statements)) {
      if (command.subtype !== 'AT_DropColumn' || created.has(table)) continue
      yield {
        line: statement.line,
        problem: `The version of the application that still runs may read or write ${table}.${command.name}; its data is gone for good.`,
        remedy: 'Release a version that does not use the column, wait until it alone runs, and drop the column then, with the reason.',
        fix: '-- partywall: allow drop-column because no version since <version> uses it',
      }
    }
  },
}
