// Filters, as callers write them, often straight from a request. Read once, key by key, against the table's own columns:
// whatever is not known is refused by name, never ignored, since a condition that is dropped shows or deletes too much.

import { InvalidInputError, TenantColumnError } from '../errors.ts'

/** What a column may be compared with. `eq: null` is `is null`; `ne` counts null as different. */
export interface FilterOperators<Value> {
  readonly eq?: Value | null
  readonly ne?: Value | null
  readonly lt?: Value
  readonly lte?: Value
  readonly gt?: Value
  readonly gte?: Value
  /** At most 1,000. None matches nothing. */
  readonly in?: readonly Value[]
  readonly notIn?: readonly Value[]
  /** SQL patterns: `%` and `_`, escaped by a backslash. Text columns only. */
  readonly like?: string
  readonly ilike?: string
  readonly isNull?: boolean
  /** jsonb contains this JSON, or an array has all of these. */
  readonly contains?: unknown
}

/**
 * Conditions on the columns of `T`, all of which must hold. A plain value means `eq`; null means `isNull`.
 *
 * @example
 * ```ts
 * const where: Filter<Note> = { number: { gte: 3 }, or: [{ title: { ilike: '%wall%' } }, { not: { folder_id: null } }] }
 * ```
 */
export type Filter<T> = { readonly [Column in keyof T]?: T[Column] | null | FilterOperators<NonNullable<T[Column]>> } & {
  readonly and?: readonly Filter<T>[]
  readonly or?: readonly Filter<T>[]
  readonly not?: Filter<T>
}

export type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte' | 'like' | 'ilike' | 'contains'

/** A filter that has been read: every column exists, every value can be sent. */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly part: Condition }
  | { readonly kind: 'null'; readonly column: string; readonly isNull: boolean }
  | { readonly kind: 'list'; readonly column: string; readonly values: readonly unknown[]; readonly isIn: boolean }
  | { readonly kind: 'compare'; readonly column: string; readonly operator: Comparison; readonly value: unknown }

/** What a filter must know of a column. */
export interface FilterColumn {
  readonly name: string
  readonly kind: 'text' | 'json' | 'array' | 'other'
}

export interface FilterTable {
  readonly columns: ReadonlyMap<string, FilterColumn>
  readonly tenantColumn: string
}

const depthMax = 10
const conditionsMax = 200
const listMax = 1_000
const comparisons: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'like', 'ilike', 'contains'])

/** @throws {InvalidInputError} {@link TenantColumnError} for anything that is not a filter on this table. */
export function readFilter(filter: unknown, table: FilterTable): Condition {
  return new FilterReader(table).read(filter, 1)
}

/**
 * A column by the name that data or a caller gives.
 *
 * @throws {TenantColumnError} for the tenant column, in whatever spelling.
 * @throws {InvalidInputError} for a name that is not one of the table's.
 */
export function columnOf<Column extends FilterColumn>(
  name: unknown,
  table: { readonly columns: ReadonlyMap<string, Column>; readonly tenantColumn: string },
): Column {
  if (typeof name !== 'string') throw new InvalidInputError('A column’s name must be a string.')
  if (bare(name) === bare(table.tenantColumn)) {
    throw new TenantColumnError(`${shown(name)} is the tenant's column: it is neither set, changed nor filtered by data.`)
  }
  const column = table.columns.get(name)
  if (column === undefined) throw new InvalidInputError(`There is no column ${shown(name)}.`)
  return column
}

/** The keys of a plain object, checked to be one: no class, no prototype of somebody's making. */
export function plainEntries(value: unknown, what: string): readonly (readonly [string, unknown])[] {
  if (!isPlain(value)) throw new InvalidInputError(`${what} must be a plain object.`)
  return Reflect.ownKeys(value).map((key) => {
    if (typeof key === 'symbol') throw new InvalidInputError(`${what} has a symbol for a key.`)
    return [key, (value as Record<string, unknown>)[key]]
  })
}

/** @throws {InvalidInputError} when the value cannot stand for one of the column's. */
export function assertValue(value: unknown, column: FilterColumn): void {
  if (column.kind === 'json') return
  if (column.kind === 'array' && Array.isArray(value)) {
    for (const item of value) if (item !== null) assertScalar(item, column)
    return
  }
  assertScalar(value, column)
}

class FilterReader {
  readonly #table: FilterTable
  #count = 0

  constructor(table: FilterTable) {
    this.#table = table
  }

  read(filter: unknown, depth: number): Condition {
    if (depth > depthMax) throw new InvalidInputError(`A filter may be nested ${depthMax} deep.`)
    const parts = plainEntries(filter, 'A filter').flatMap(([key, value]) => {
      switch (key) {
        case 'and':
        case 'or':
          if (!Array.isArray(value)) throw new InvalidInputError(`${key} takes a list of filters.`)
          return [{ kind: key, parts: value.map((part) => this.read(part, depth + 1)) } as const]
        case 'not':
          return [{ kind: 'not', part: this.read(value, depth + 1) } as const]
        default:
          return this.#column(columnOf(key, this.#table), value)
      }
    })
    this.#count += parts.length
    if (this.#count > conditionsMax) throw new InvalidInputError(`A filter may have ${conditionsMax} conditions.`)
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts }
  }

  #column(column: FilterColumn, value: unknown): Condition[] {
    if (!isPlain(value)) return [this.#operator(column, 'eq', value)]
    const entries = plainEntries(value, 'Operators')
    if (entries.length === 0) throw new InvalidInputError(`The filter on ${column.name} says nothing.`)
    return entries.map(([operator, operand]) => this.#operator(column, operator, operand))
  }

  #operator(column: FilterColumn, operator: string, value: unknown): Condition {
    const { name } = column
    if (value === undefined) throw new InvalidInputError(`The filter on ${name} is undefined. Leave the key out, or give null.`)
    if (operator === 'isNull') {
      if (typeof value !== 'boolean') throw new InvalidInputError('isNull takes true or false.')
      return { kind: 'null', column: name, isNull: value }
    }
    if (operator === 'in' || operator === 'notIn') {
      if (!Array.isArray(value) || value.length > listMax)
        throw new InvalidInputError(`${operator} takes a list of at most ${listMax} values.`)
      if (column.kind === 'json' || column.kind === 'array') throw new InvalidInputError(`${operator} does not work on ${name}.`)
      for (const item of value) assertScalar(item, column)
      return { kind: 'list', column: name, values: value, isIn: operator === 'in' }
    }
    if (!comparisons.has(operator)) throw new InvalidInputError(`There is no operator ${shown(operator)}.`)
    if (value === null && (operator === 'eq' || operator === 'ne')) return { kind: 'null', column: name, isNull: operator === 'eq' }
    this.#assertFits(column, operator as Comparison, value)
    return { kind: 'compare', column: name, operator: operator as Comparison, value }
  }

  #assertFits(column: FilterColumn, operator: Comparison, value: unknown): void {
    if (operator === 'like' || operator === 'ilike') {
      if (column.kind !== 'text') throw new InvalidInputError(`${operator} works on text; ${column.name} is not.`)
      if (typeof value !== 'string') throw new InvalidInputError(`${operator} takes a pattern.`)
    }
    if (operator === 'contains' && column.kind !== 'json' && column.kind !== 'array') {
      throw new InvalidInputError(`contains works on jsonb and arrays; ${column.name} is neither.`)
    }
    if (operator === 'contains' && column.kind === 'array' && !Array.isArray(value)) {
      throw new InvalidInputError(`contains takes a list on ${column.name}.`)
    }
    assertValue(value, column)
  }
}

function assertScalar(value: unknown, column: FilterColumn): void {
  switch (typeof value) {
    case 'string':
      if (value.includes('\0')) throw new InvalidInputError(`A value for ${column.name} has a NUL character.`)
      return
    case 'boolean':
    case 'bigint':
    case 'number':
      return
    default:
      // Not whatever has a toPostgres of its own making.
      if (value instanceof Date && !Number.isNaN(value.getTime())) return
      if (value instanceof Uint8Array) return
      throw new InvalidInputError(`A value for ${column.name} is of a kind that cannot be sent.`)
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** What is left of a name when case, quotes, dashes and the like are taken away. */
function bare(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
}

function shown(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}
