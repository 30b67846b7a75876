// Renaming what the version which still runs knows by its old name.

import type { LintRule } from './rule.ts'

export const rename: LintRule = {
  name: 'rename',
  level: 'error',
  *check({ statements, created }) {
    for (const { node, line } of statements) {
      if (!('RenameStmt' in node)) continue
      const { renameType, relationType, relation, subname, newname } = node.RenameStmt
      const table = relation?.relname ?? ''
      const isColumn = renameType === 'OBJECT_COLUMN' && relationType === 'OBJECT_TABLE'
      if (created.has(table) || !(isColumn || renameType === 'OBJECT_TABLE')) continue
      yield {
        line,
        problem: `Until the last process of the old version has ended, it asks for ${isColumn ? `${table}.${subname}` : table} and fails.`,
        remedy: isColumn
          ? 'Add the new column, write both, fill it, read the new one, and drop the old one in a later version.'
          : 'Rename it, and leave a view with security_invoker under the old name in the same file until the old version is gone.',
        ...(isColumn
          ? {}
          : {
              fix: `alter table ${table} rename to ${newname};\ncreate view ${table} with (security_invoker = true) as select * from ${newname};\ngrant select, insert, update, delete on ${table} to partywall_app, partywall_tenants;`,
            }),
      }
    }
  },
}
