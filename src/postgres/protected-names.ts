// The names by which queries call the tables behind the wall.

import type { ProtectedTable } from './boot-gate.ts'
import type { ProtectedTables } from './kysely-predicate.ts'
import { appSchema } from './roles.ts'

/** Each table by `schema.table`; those of the application's schema by their plain name too, as search_path finds them. */
export function protectedNames(tables: readonly ProtectedTable[]): ProtectedTables {
  const names = new Map<string, string>()
  for (const { schema, table, tenantColumn } of tables) {
    names.set(`${schema}.${table}`, tenantColumn)
    if (schema === appSchema) names.set(table, tenantColumn)
  }
  return names
}
