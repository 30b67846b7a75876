// The names by which queries call the tables behind the wall.

import type { ProtectedTable } from './boot-gate.ts'
import type { ProtectedColumn, ProtectedTables } from './kysely-predicate.ts'
import { appSchema } from './roles.ts'

/** Each table by `schema.table`; those of the application's schema by their plain name too, as search_path finds them. */
export function protectedNames(tables: readonly ProtectedTable[]): ProtectedTables {
  const names = new Map<string, ProtectedColumn>()
  for (const { schema, table, tenantColumn, tenantType } of tables) {
    const column: ProtectedColumn = { name: tenantColumn, type: tenantType }
    names.set(`${schema}.${table}`, column)
    if (schema === appSchema) names.set(table, column)
  }
  return names
}
