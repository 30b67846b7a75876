// A foreign key or a check on a table that is in use: all rows are read while writers wait.

import type { LintRule } from './rule.ts'
import { declaredConstraints } from './tree.ts'

export const constraintWithoutNotValid: LintRule = {
  name: 'constraint-without-not-valid',
  level: 'error',
  *check({ statements, created, tenantColumn }) {
    for (const { table, constraint, columns, isNewTable, statement } of declaredConstraints(statements)) {
      const isForeign = constraint.contype === 'CONSTR_FOREIGN'
      if (isNewTable || created.has(table) || constraint.skip_validation === true) continue
      if (!isForeign && constraint.contype !== 'CONSTR_CHECK') continue
      const name = constraint.conname ?? `${table}_${[tenantColumn, ...columns].at(-1)}_${isForeign ? 'fkey' : 'check'}`
      const validate = `alter table ${table} validate constraint ${name}`
      yield {
        line: statement.lineAt(constraint.location),
        problem: `${isForeign ? 'The foreign key' : 'The check'} is held against every row of ${table} while its writers wait.`,
        remedy: isForeign
          ? 'Add it NOT VALID, which holds for all new rows at once. Validate it in a later file: the wall holds for the owner too, so that says that it looks at all tenants.'
          : 'Add it NOT VALID, which holds for all new rows at once, and validate it in a later file, which blocks nobody.',
        fix: `${statement.text.trim()} not valid;\n-- next file:\n${isForeign ? `select partywall.across_tenants('${validate}', '${table}', '${constraint.pktable?.relname}')` : validate};`,
      }
    }
  },
}
