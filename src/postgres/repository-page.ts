// One page of a list: its order, where it begins, and the cursor to the next.

import { type CursorBinding, readCursor, writeCursor } from '../core/cursor.ts'
import { columnOf, type FilterTable } from '../core/filter.ts'
import { InvalidInputError } from '../errors.ts'
import type { Parameters } from './filter-sql.ts'
import { quoted, type TableColumn, type TableShape } from './table-shape.ts'

/** One column of an order. */
export interface OrderBy<T> {
  readonly column: keyof T & string
  /** Default `asc`. Nulls come last in `asc` and first in `desc`, as PostgreSQL has them. */
  readonly direction?: 'asc' | 'desc' | undefined
}

/** Which part of a list. */
export interface PageRequest<T> {
  /** At most 10 columns. The key is added, so that the order is total. Default: the key. */
  readonly orderBy?: readonly OrderBy<T>[] | undefined
  /** 1 to 1,000; default 50. */
  readonly limit?: number | undefined
  /** Rows to leave out, at most 10,000. Not together with `after`. */
  readonly offset?: number | undefined
  /** The `nextCursor` of the page before, of the same list in the same order. */
  readonly after?: string | undefined
}

const limitDefault = 50
const limitMax = 1_000
const offsetMax = 10_000
const orderMax = 10

export interface OrderColumn {
  readonly column: TableColumn
  readonly isDescending: boolean
}

/** A page request that has been read. */
export interface Page {
  readonly order: readonly OrderColumn[]
  readonly limit: number
  readonly offset: number
  readonly binding: CursorBinding
  /** Where it begins, as PostgreSQL's text. */
  readonly after: readonly string[] | undefined
  /** Can its end be named? Not when a column of the order may be null. */
  readonly hasCursor: boolean
}

/** @throws {InvalidInputError} when a bound, the order or the cursor is not valid. */
export function readPage(request: PageRequest<never>, shape: TableShape, tenantId: string): Page {
  const order = readOrder(request.orderBy, shape)
  const binding: CursorBinding = {
    tenantId,
    table: shape.sqlName,
    order: order.map(({ column, isDescending }) => `${isDescending ? '-' : '+'}${column.name}`),
  }
  const hasCursor = order.length > 0 && order.every(({ column }) => !column.isNullable)
  const { after, offset = 0 } = request
  if (after !== undefined && offset !== 0) throw new InvalidInputError('Give offset or after, not both.')
  if (after !== undefined && !hasCursor)
    throw new InvalidInputError('This order has no cursors: one of its columns may be null. Use offset.')
  return {
    order,
    limit: whole('limit', request.limit === undefined ? limitDefault : request.limit, 1, limitMax),
    offset: whole('offset', offset, 0, offsetMax),
    binding,
    after: after === undefined ? undefined : readCursor(binding, after),
    hasCursor,
  }
}

export function orderSql({ order }: Page): string {
  if (order.length === 0) return ''
  return `order by ${order.map(({ column, isDescending }) => quoted(column.name) + (isDescending ? ' desc' : '')).join(', ')}`
}

/** The values of the order, as text that comes back exactly: a Date of JavaScript's would lose microseconds. */
export function cursorColumns({ order, hasCursor }: Page): readonly string[] {
  return hasCursor ? order.map(({ column }, i) => `${quoted(column.name)}::text as "pw cursor ${i}"`) : []
}

export function cursorAfter({ binding }: Page, texts: readonly unknown[]): string {
  return writeCursor(binding, texts as readonly string[])
}

/** What lies behind the cursor. One row comparison where an index can use it. */
export function afterSql({ order, after }: Page, parameters: Parameters): string | undefined {
  if (after === undefined) return undefined
  const values = order.map(({ column }, i) => `${parameters.add(after[i])}::${column.type}`)
  const isUniform = order.every(({ isDescending }) => isDescending === order[0]!.isDescending)
  const names = order.map(({ column }) => quoted(column.name))
  if (isUniform) return `(${names.join(', ')}) ${order[0]!.isDescending ? '<' : '>'} (${values.join(', ')})`
  const steps = order.map(({ isDescending }, i) => {
    const equal = names.slice(0, i).map((name, j) => `${name} = ${values[j]}`)
    return `(${[...equal, `${names[i]} ${isDescending ? '<' : '>'} ${values[i]}`].join(' and ')})`
  })
  return `(${steps.join(' or ')})`
}

function readOrder(orderBy: unknown, shape: TableShape): readonly OrderColumn[] {
  const asked = orderBy ?? []
  if (!Array.isArray(asked) || asked.length > orderMax) throw new InvalidInputError(`orderBy takes a list of at most ${orderMax} columns.`)
  const order = asked.map((part: unknown) => {
    const { column, direction = 'asc' } = (part ?? {}) as { column?: unknown; direction?: unknown }
    if (direction !== 'asc' && direction !== 'desc') throw new InvalidInputError('A direction is asc or desc.')
    const found = columnOf(column, shape as FilterTable & TableShape)
    if (found.type === 'json') throw new InvalidInputError(`${found.name} has no order.`)
    return { column: found, isDescending: direction === 'desc' }
  })
  const isDescending = order.at(-1)?.isDescending ?? false
  for (const name of shape.key) {
    if (!order.some(({ column }) => column.name === name)) order.push({ column: shape.columns.get(name)!, isDescending })
  }
  return order
}

function whole(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new InvalidInputError(`${name} must be a whole number from ${min} to ${max}.`)
}
