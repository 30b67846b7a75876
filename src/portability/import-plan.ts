// In which order the tables of an import are written, and which references have to wait until all rows are there.

import type { TenantKeyType } from '../core/tenant-key.ts'
import { InvalidInputError } from '../errors.ts'
import type { ManifestTable } from './manifest.ts'
import type { PortableTable } from './portable-table.ts'

/** A table that rows are written to. */
export interface TargetTable extends PortableTable {
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** What the tenant is in that column; undefined when it has no key of its type, and so no rows here. */
  readonly tenantKey: string | undefined
  /** Columns that the database computes. */
  readonly generated: readonly string[]
}

export interface PlannedTable {
  readonly table: TargetTable
  readonly file: ManifestTable
  /**
   * Columns that are written as null first: they refer to the table itself, or to one that comes after it in a circle. A second pass
   * writes them.
   */
  readonly late: readonly string[]
}

/**
 * The tables, those that others refer to first.
 *
 * @throws {InvalidInputError} when one of them is not among the tenant's.
 */
export function planImport(tables: readonly TargetTable[], files: readonly ManifestTable[]): readonly PlannedTable[] {
  const pairs = files.map((file) => ({ file, table: tables.find(({ name }) => name === file.table) }))
  const unknown = pairs.filter(({ table }) => table === undefined).map(({ file }) => file.table)
  if (unknown.length > 0) {
    throw new InvalidInputError(
      `The tenant has no table ${unknown.map((name) => JSON.stringify(name)).join(', ')}. It has ${tables.map(({ name }) => name).join(', ')}. Is it at another migration?`,
    )
  }
  return inOrder(pairs as readonly { readonly file: ManifestTable; readonly table: TargetTable }[])
}

function inOrder(pairs: readonly { readonly file: ManifestTable; readonly table: TargetTable }[]): readonly PlannedTable[] {
  const left = new Map(pairs.map((pair) => [pair.table.name, pair]))
  const ordered: PlannedTable[] = []
  while (left.size > 0) {
    const waiting = [...left.values()]
    const holding = ({ references }: TargetTable, isHolding: (to: string) => boolean) => references.filter(({ to }) => isHolding(to))
    const next =
      waiting.find(({ table }) => holding(table, (to) => left.has(to) && to !== table.name).length === 0) ??
      // A circle: one whose references may be null for a while goes first.
      waiting.find(({ table }) =>
        holding(table, (to) => left.has(to)).every((reference) => nullable(table, reference.columns).length > 0),
      ) ??
      waiting[0]!
    const { table, file } = next
    const late = holding(table, (to) => left.has(to)).flatMap(({ columns }) => nullable(table, columns))
    ordered.push({ table, file, late: [...new Set(late)] })
    left.delete(table.name)
  }
  return ordered
}

/** Those of the columns that can be null for a while, and written later. */
function nullable({ columns, key }: TargetTable, names: readonly string[]): readonly string[] {
  return names.filter((name) => !key.includes(name) && columns.some((column) => column.name === name && column.isNullable))
}
