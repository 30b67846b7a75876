// A key, a reference or an index that does not begin with the tenant: it tells one tenant what another has.

import type { IndexStmt } from '@pgsql/types'
import type { LintRule } from './rule.ts'
import { declaredConstraints, strings } from './tree.ts'

export const keyWithoutTenant: LintRule = {
  name: 'key-without-tenant',
  level: 'error',
  *check({ statements, globals, tenantColumn }) {
    for (const { table, constraint, columns, statement } of declaredConstraints(statements)) {
      if (globals.has(table)) continue
      const line = statement.lineAt(constraint.location)
      const isKey = constraint.contype === 'CONSTR_PRIMARY' || constraint.contype === 'CONSTR_UNIQUE'
      if (isKey && constraint.indexname === undefined && columns[0] !== tenantColumn) {
        yield {
          line,
          problem: `A key of ${table} does not begin with ${tenantColumn}: its violations tell one tenant which values another holds.`,
          remedy: 'Put the tenant first.',
          fix: `${constraint.contype === 'CONSTR_UNIQUE' ? 'unique' : 'primary key'} (${[tenantColumn, ...columns.filter((name) => name !== tenantColumn)].join(', ')})`,
        }
      }
      if (constraint.contype !== 'CONSTR_FOREIGN' || globals.has(constraint.pktable?.relname ?? '')) continue
      const there = strings(constraint.pk_attrs)
      const at = columns.indexOf(tenantColumn)
      if (at >= 0 && (there.length === 0 || there[at] === tenantColumn)) continue
      const rest = columns.filter((name) => name !== tenantColumn)
      const other = there.length === 0 ? ['id'] : there.filter((name) => name !== tenantColumn)
      yield {
        line,
        problem: `The reference from ${table} to ${constraint.pktable?.relname} does not carry ${tenantColumn}: a row could refer to, probe or block another tenant's.`,
        remedy: 'Put the tenant first on both sides.',
        fix: `foreign key (${[tenantColumn, ...rest].join(', ')}) references ${constraint.pktable?.relname} (${[tenantColumn, ...other].join(', ')})`,
      }
    }
    for (const { node, line } of statements) {
      if (!('IndexStmt' in node) || globals.has(node.IndexStmt.relation?.relname ?? '') || !leadsElsewhere(node.IndexStmt, tenantColumn))
        continue
      yield {
        line,
        problem: `The index on ${node.IndexStmt.relation?.relname} does not begin with ${tenantColumn}: its timing, or its violations, tell of other tenants' rows.`,
        remedy: 'Put the tenant first.',
      }
    }
  },
}

/** GIN, GiST and BRIN often cannot lead with the tenant, and are probed by value inside one tenant's rows. */
function leadsElsewhere({ indexParams = [], accessMethod = 'btree', unique }: IndexStmt, tenantColumn: string): boolean {
  const [first] = indexParams
  const isLed = first !== undefined && 'IndexElem' in first && first.IndexElem.name === tenantColumn
  return !isLed && (unique === true || accessMethod === 'btree' || accessMethod === 'hash')
}
