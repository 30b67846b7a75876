// A new column whose default is another value for each row: the whole table is written anew while everybody waits.

import type { LintRule } from './rule.ts'
import { addedColumns, callsIn, columnConstraints } from './tree.ts'

/** Evaluated once for all rows. Others are taken for volatile. */
const stable = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'partywall.tenant_id',
  'lower',
  'upper',
  'coalesce',
  'jsonb_build_object',
  'jsonb_build_array',
  'to_jsonb',
  'make_interval',
])

export const volatileDefault: LintRule = {
  name: 'volatile-default',
  level: 'error',
  *check({ statements, created }) {
    for (const { table, column, statement } of addedColumns(statements)) {
      if (created.has(table)) continue
      for (const constraint of columnConstraints(column)) {
        const call =
          constraint.contype === 'CONSTR_DEFAULT'
            ? callsIn(constraint).find(({ name }) => !stable.has(name.replace(/^pg_catalog\./, '')))
            : undefined
        const isStored = constraint.contype === 'CONSTR_GENERATED' && constraint.generated_kind === 's'
        if (call === undefined && !isStored) continue
        yield {
          line: statement.lineAt(constraint.location),
          problem: `${call === undefined ? 'A stored generated column' : `The default ${call.name}()`} makes PostgreSQL write all of ${table} anew, while all reads and writes wait.`,
          remedy: 'Add the column without it, set the default for new rows, and fill the old ones in a step.',
          ...(call === undefined
            ? {}
            : {
                fix: `alter table ${table} add column ${column.colname} …;\nalter table ${table} alter column ${column.colname} set default ${call.name}();`,
              }),
        }
      }
    }
  },
}
