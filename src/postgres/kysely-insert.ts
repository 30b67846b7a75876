// The tenant column in what Kysely writes: filled in where it is missing, checked where data gives it, never changed.

import {
  ColumnNode,
  type ColumnUpdateNode,
  type InsertQueryNode,
  type OperationNode,
  PrimitiveValueListNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
} from 'kysely'
import { TenantColumnError } from '../errors.ts'
import type { ProtectedColumn } from './kysely-predicate.ts'

/**
 * The insert with the tenant in every row. An insert from a query, and one of default values, is left to the column's own
 * default, which is the tenant of the transaction.
 *
 * @throws {TenantColumnError} when a row names another tenant, or ON CONFLICT sets the column.
 */
export function fillTenant(node: InsertQueryNode, { name: column, type }: ProtectedColumn, key: string): InsertQueryNode {
  assertNoTenantChange(node.onConflict?.updates, column)
  const { columns, values } = node
  if (columns === undefined || values === undefined || !ValuesNode.is(values)) return node
  const at = columns.findIndex((each) => isTenantColumn(each.column.name, column))
  if (at === -1) {
    return {
      ...node,
      columns: [...columns, ColumnNode.create(column)],
      values: ValuesNode.create(
        values.values.map((row) =>
          PrimitiveValueListNode.is(row)
            ? PrimitiveValueListNode.create([...row.values, key])
            : ValueListNode.create([...row.values, ValueNode.create(key)]),
        ),
      ),
    }
  }
  for (const row of values.values) {
    const given: unknown = PrimitiveValueListNode.is(row) ? row.values[at] : plainValue(row.values[at])
    if (given !== key && !(type === 'bigint' && isWhole(given) && String(given) === key)) {
      throw new TenantColumnError(`A row sets ${column} to something other than its tenant. Leave the column out: it is filled in.`)
    }
  }
  return node
}

/** @throws {TenantColumnError} when one of the updates sets the tenant column. */
export function assertNoTenantChange(updates: readonly ColumnUpdateNode[] | undefined, column: string): void {
  for (const update of updates ?? []) {
    const name = columnName(update.column)
    if (name !== undefined && isTenantColumn(name, column)) {
      throw new TenantColumnError(`An update sets ${column}. A row stays with its tenant.`)
    }
  }
}

/** A number that says exactly which one it is. */
function isWhole(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}

/** PostgreSQL folds what is not quoted: a spelling that differs only in case can mean no other column. */
function isTenantColumn(name: string, column: string): boolean {
  return name.toLowerCase() === column.toLowerCase()
}

function columnName(node: OperationNode): string | undefined {
  if (ColumnNode.is(node)) return node.column.name
  const { column } = node as OperationNode & { readonly column?: OperationNode }
  return column !== undefined && ColumnNode.is(column) ? column.column.name : undefined
}

function plainValue(node: OperationNode | undefined): unknown {
  return node !== undefined && ValueNode.is(node) ? node.value : undefined
}
