// New ids for rows that come from elsewhere: every uuid of a primary key becomes another one, and references to it with it. An id is
// computed from the import's own and the old one, so that an import which goes on where it was killed gives the same.

import { v5 } from 'uuid'
import type { PortableTable } from './portable-table.ts'

/** The columns of each table whose ids are new: keys that are uuids, and what refers to them, however far away. */
export function mappedColumns(tables: readonly PortableTable[]): ReadonlyMap<string, ReadonlySet<string>> {
  const mapped = new Map<string, Set<string>>()
  const references = tables.flatMap((table) =>
    table.references.flatMap(({ columns, to, referenced }) =>
      columns.map((column, i) => ({ table: table.name, column, to, referenced: referenced[i]! })),
    ),
  )
  for (const { name, key, columns } of tables) {
    const isOwn = (column: string): boolean => references.every((reference) => reference.table !== name || reference.column !== column)
    const isUuid = (column: string): boolean => columns.some((other) => other.name === column && other.kind === 'uuid')
    mapped.set(name, new Set(key.filter((column) => isUuid(column) && isOwn(column))))
  }
  // A key may itself be a reference: its id is given at the far end of the chain.
  for (let hasGrown = true; hasGrown; ) {
    hasGrown = false
    for (const { table, column, to, referenced } of references) {
      const own = mapped.get(table)!
      if (own.has(column) || mapped.get(to)?.has(referenced) !== true) continue
      own.add(column)
      hasGrown = true
    }
  }
  return mapped
}

/** What is no uuid stays as it is: the database says what is wrong with it. */
export function mappedId(importId: string, old: string): string {
  const digits = old.toLowerCase().replace(/[{}-]/g, '')
  return /^[0-9a-f]{32}$/.test(digits) ? v5(digits, importId) : old
}
