// A table of the tenant's, without SQL. Every statement carries the explicit tenant and runs behind the wall; nothing that comes
// in as data can name a column that is not there, or touch the tenant's.

import { LRUCache } from 'lru-cache'
import { assertValue, type Condition, columnOf, type Filter, plainEntries, readFilter } from '../core/filter.ts'
import type { Tenant } from '../core/tenant.ts'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'
import { tenantKey } from '../core/tenant-key.ts'
import { ConfigurationError, InvalidInputError, RowNotFoundError } from '../errors.ts'
import { conditionSql, Parameters } from './filter-sql.ts'
import type { Leases } from './lease.ts'
import { explainDataError } from './repository-errors.ts'
import { afterSql, cursorAfter, cursorColumns, orderSql, type PageRequest, readPage } from './repository-page.ts'
import type { QueryResult } from './result.ts'
import { quoted, type RunQuery, readTableShape, type TableShape } from './table-shape.ts'
import { type TenantTransaction, transaction } from './transaction.ts'

/** Which rows, in which order, and which of their columns. */
export interface FindOptions<T> extends PageRequest<T> {
  readonly where?: Filter<T> | undefined
  /** Default: all but the tenant's. */
  readonly select?: readonly (keyof T & string)[] | undefined
}

/** A page of rows. */
export interface FoundRows<T> {
  readonly rows: readonly T[]
  /** Give it as `after` for the next page. Undefined at the end, and for an order in which a column may be null. */
  readonly nextCursor: string | undefined
}

export interface RepositoryOptions {
  /** Default `tenant_id`. */
  readonly tenantColumn?: string | undefined
}

/** What a repository stands on. */
export interface RepositoryParts {
  readonly leases: Leases
  readonly scope: TenantScope
}

/** Rows of one INSERT, and of one call. */
const insertRowsMax = 100
const createManyMax = 10_000
/** Migrations whose shapes are remembered. */
const shapesMax = 8

/**
 * A table's shape, read when it is first needed and shared by all repositories made from one. It is the same for all tenants of a
 * migration: while a fleet is migrated there are two.
 */
class Shape {
  readonly #table: string
  readonly #tenantColumn: string
  readonly #shapes = new LRUCache<string, Promise<TableShape>>({ max: shapesMax })

  constructor(table: string, tenantColumn: string) {
    this.#table = table
    this.#tenantColumn = tenantColumn
  }

  get({ version = '' }: Tenant, run: RunQuery): Promise<TableShape> {
    const known = this.#shapes.get(version)
    if (known !== undefined) return known
    const reading = readTableShape(run, this.#table, this.#tenantColumn)
    this.#shapes.set(version, reading)
    // A failure is not remembered.
    reading.catch(() => {
      this.#shapes.delete(version)
    })
    return reading
  }
}

/**
 * The rows of one table that belong to the tenant of whoever calls.
 *
 * `T` is the row without its tenant column. Keys of filters and data are the columns' own names; the columns are read from the
 * database once. Data may come straight from a request: what is not a column is refused, not ignored.
 *
 * @example
 * ```ts
 * const notes = tenancy.repository<Note>('notes')
 * const { rows, nextCursor } = await notes.findAll({
 *   where: { title: { ilike: '%wall%' } },
 *   orderBy: [{ column: 'created_at', direction: 'desc' }],
 * })
 * ```
 *
 * All methods throw {@link InvalidInputError} and {@link TenantColumnError} for bad input, {@link NoTenantError} and
 * {@link WrongTenantError} for a bad scope, and what leases throw.
 */
export class TenantRepository<T extends object> {
  readonly #parts: RepositoryParts
  readonly #shape: Shape
  readonly #tx: TenantTransaction | undefined

  /** @internal Use `tenancy.repository(table)`. */
  constructor(parts: RepositoryParts, table: string | Shape, options: RepositoryOptions = {}, tx?: TenantTransaction) {
    this.#parts = parts
    this.#shape = typeof table === 'string' ? new Shape(table, options.tenantColumn ?? 'tenant_id') : table
    this.#tx = tx
  }

  /** The same repository, inside a transaction. */
  in(tx: TenantTransaction): TenantRepository<T> {
    return new TenantRepository<T>(this.#parts, this.#shape, {}, tx)
  }

  /** The row with this id, or undefined: also when it is another tenant's. */
  async findById(id: unknown, options: Pick<FindOptions<T>, 'select'> = {}): Promise<T | undefined> {
    const { context, shape } = await this.#begin()
    const parameters = new Parameters()
    const where = `${tenantIs(shape, context, parameters)} and ${idIs(shape, id, parameters)}`
    const { rows } = await this.#run(
      context,
      `select ${selection(shape, options.select)} from ${shape.sqlName} where ${where}`,
      parameters.values,
    )
    return rows[0] as T | undefined
  }

  /** @throws {RowNotFoundError} when the tenant has no row with this id. */
  async getById(id: unknown, options: Pick<FindOptions<T>, 'select'> = {}): Promise<T> {
    const row = await this.findById(id, options)
    if (row === undefined) throw await this.#notFound()
    return row
  }

  /** A page of rows: 50, if no limit is given. */
  async findAll(options: FindOptions<T> = {}): Promise<FoundRows<T>> {
    const { context, shape } = await this.#begin()
    const page = readPage(options as PageRequest<never>, shape, context.tenant.id)
    const parameters = new Parameters()
    const conditions = [this.#where(shape, context, options.where, parameters), afterSql(page, parameters)].filter(Boolean)
    const names = selectedColumns(shape, options.select)
    const keys = cursorColumns(page)
    const text = [
      `select ${[...names.map(quoted), ...keys].join(', ')} from ${shape.sqlName}`,
      `where ${conditions.join(' and ')} ${orderSql(page)}`,
      // One more than asked for tells whether there is a next page.
      `limit ${parameters.add(page.limit + 1)} offset ${parameters.add(page.offset)}`,
    ].join(' ')
    const result = await this.#run(context, text, parameters.values, 'array')
    const found = result.rows as unknown[][]
    const last = found.length > page.limit ? found[page.limit - 1]! : undefined
    return {
      rows: found.slice(0, page.limit).map((values) => Object.fromEntries(names.map((name, i) => [name, values[i]])) as T),
      nextCursor: last === undefined || !page.hasCursor ? undefined : cursorAfter(page, last.slice(names.length)),
    }
  }

  /** The new row. @throws {ConstraintError} */
  async create(data: Partial<T>): Promise<T> {
    const { context, shape } = await this.#begin()
    const [row] = await this.#insert(context, shape, [readData(data, shape)], this.#tx)
    return row!
  }

  /**
   * The new rows, all or none, in the order given. At most 10,000.
   *
   * @throws {ConstraintError}
   */
  async createMany(data: readonly Partial<T>[]): Promise<readonly T[]> {
    if (!Array.isArray(data) || data.length > createManyMax)
      throw new InvalidInputError(`createMany takes a list of at most ${createManyMax} rows.`)
    const { context, shape } = await this.#begin()
    const rows = data.map((each) => readData(each, shape))
    if (rows.length <= insertRowsMax || this.#tx !== undefined) return await this.#insert(context, shape, rows, this.#tx)
    return await transaction(this.#parts.leases, context, {}, (tx) => this.#insert(context, shape, rows, tx))
  }

  /**
   * The row as it is after the change. Columns that `patch` leaves out, or has as undefined, stay as they are.
   *
   * @throws {RowNotFoundError} when the tenant has no row with this id.
   * @throws {ConstraintError}
   */
  async update(id: unknown, patch: Partial<T>): Promise<T> {
    const { context, shape } = await this.#begin()
    const changes = [...readData(patch, shape)]
    if (changes.length === 0) throw new InvalidInputError('The patch changes nothing.')
    const parameters = new Parameters()
    const sets = changes.map(([name, value]) => {
      if (shape.key.includes(name)) throw new InvalidInputError(`${name} is part of the key, which does not change.`)
      return `${quoted(name)} = ${parameters.addFor(shape.columns.get(name)!, value)}`
    })
    const where = `${tenantIs(shape, context, parameters)} and ${idIs(shape, id, parameters)}`
    const { rows } = await this.#run(
      context,
      `update ${shape.sqlName} set ${sets.join(', ')} where ${where} returning ${selection(shape)}`,
      parameters.values,
    )
    if (rows[0] === undefined) throw await this.#notFound()
    return rows[0] as T
  }

  /** @throws {RowNotFoundError} when the tenant has no row with this id. @throws {ConstraintError} when others refer to it. */
  async delete(id: unknown): Promise<void> {
    const { context, shape } = await this.#begin()
    const parameters = new Parameters()
    const where = `${tenantIs(shape, context, parameters)} and ${idIs(shape, id, parameters)}`
    const { rowCount } = await this.#run(context, `delete from ${shape.sqlName} where ${where}`, parameters.values)
    if (rowCount === 0) throw await this.#notFound()
  }

  async count(where?: Filter<T>): Promise<number> {
    const { context, shape } = await this.#begin()
    const parameters = new Parameters()
    const condition = this.#where(shape, context, where, parameters)
    const { rows } = await this.#run(context, `select count(*)::text as n from ${shape.sqlName} where ${condition}`, parameters.values)
    return Number((rows[0] as { n: string }).n)
  }

  async exists(where?: Filter<T>): Promise<boolean> {
    const { context, shape } = await this.#begin()
    const parameters = new Parameters()
    const condition = this.#where(shape, context, where, parameters)
    const { rows } = await this.#run(context, `select exists (select from ${shape.sqlName} where ${condition}) as found`, parameters.values)
    return (rows[0] as { found: boolean }).found
  }

  /** SQL of your own. It stays inside the wall: the policies see to that, whatever it says. */
  async query<Row = T>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
    return await this.#send<Row>(this.#context(), text, values)
  }

  /** The context, read before anything is awaited; and the table's shape. */
  async #begin(): Promise<{ readonly context: TenantContext; readonly shape: TableShape }> {
    const context = this.#context()
    return { context, shape: await this.#shape.get(context.tenant, (text, values) => this.#parts.leases.query(context, { text, values })) }
  }

  #context(): TenantContext {
    return this.#parts.scope.check(this.#tx?.context)
  }

  async #insert(
    context: TenantContext,
    shape: TableShape,
    rows: readonly ReadonlyMap<string, unknown>[],
    tx: TenantTransaction | undefined,
  ): Promise<T[]> {
    const names = [...new Set(rows.flatMap((row) => [...row.keys()]))]
    const columns = [shape.tenantColumn, ...names].map(quoted).join(', ')
    const made: T[] = []
    // The protocol takes 65,535 parameters a statement.
    const rowsMax = Math.min(insertRowsMax, Math.max(1, Math.floor(60_000 / (names.length + 1))))
    for (let at = 0; at < rows.length; at += rowsMax) {
      const parameters = new Parameters()
      const tenant = parameters.add(tenantKey(context.tenant, shape.tenantType))
      const tuples = rows.slice(at, at + rowsMax).map((row) => {
        const values = names.map((name) => (row.has(name) ? parameters.addFor(shape.columns.get(name)!, row.get(name)) : 'default'))
        return `(${[tenant, ...values].join(', ')})`
      })
      const text = `insert into ${shape.sqlName} (${columns}) values ${tuples.join(', ')} returning ${selection(shape)}`
      const result = await this.#run(context, text, parameters.values, undefined, tx)
      made.push(...(result.rows as T[]))
    }
    return made
  }

  #where(shape: TableShape, context: TenantContext, where: Filter<T> | undefined, parameters: Parameters): string {
    const condition: Condition = where === undefined ? { kind: 'and', parts: [] } : readFilter(where, shape)
    return `${tenantIs(shape, context, parameters)} and ${conditionSql(condition, shape, parameters)}`
  }

  async #run(
    context: TenantContext,
    text: string,
    values: readonly unknown[],
    rowMode?: 'array',
    tx = this.#tx,
  ): Promise<QueryResult<unknown>> {
    try {
      return await this.#send(context, text, values, rowMode, tx)
    } catch (error) {
      throw explainDataError(error)
    }
  }

  async #send<Row>(
    context: TenantContext,
    text: string,
    values: readonly unknown[],
    rowMode?: 'array',
    tx = this.#tx,
  ): Promise<QueryResult<Row>> {
    const statement = { text, values, rowMode }
    return tx === undefined ? await this.#parts.leases.query<Row>(context, statement) : await tx.run<Row>(statement)
  }

  async #notFound(): Promise<RowNotFoundError> {
    const { shape, context } = await this.#begin()
    return new RowNotFoundError(`Tenant ${context.tenant.id} has no such row in ${shape.sqlName}.`)
  }
}

function tenantIs(shape: TableShape, context: TenantContext, parameters: Parameters): string {
  return `${quoted(shape.tenantColumn)} = ${parameters.add(tenantKey(context.tenant, shape.tenantType))}`
}

function idIs(shape: TableShape, id: unknown, parameters: Parameters): string {
  const [name, ...others] = shape.key
  if (name === undefined || others.length > 0) {
    throw new ConfigurationError(`${shape.sqlName} has no single id beside ${shape.tenantColumn}: find its rows with a filter.`)
  }
  if (id === undefined || id === null) throw new InvalidInputError('An id is missing.')
  const column = shape.columns.get(name)!
  assertValue(id, column)
  return `${quoted(name)} = ${parameters.addFor(column, id)}`
}

function selectedColumns(shape: TableShape, select: readonly unknown[] | undefined): readonly string[] {
  if (select === undefined) return [...shape.columns.keys()]
  if (!Array.isArray(select) || select.length === 0) throw new InvalidInputError('select takes a list of columns.')
  return [...new Set(select.map((name) => columnOf(name, shape).name))]
}

function selection(shape: TableShape, select?: readonly unknown[]): string {
  return selectedColumns(shape, select).map(quoted).join(', ')
}

/** Data for a row, checked key by key. */
function readData(data: unknown, shape: TableShape): ReadonlyMap<string, unknown> {
  const row = new Map<string, unknown>()
  for (const [key, value] of plainEntries(data, 'A row')) {
    const column = columnOf(key, shape)
    if (value === undefined) continue
    if (column.isGenerated) throw new InvalidInputError(`${column.name} is generated by the database.`)
    if (value !== null) assertValue(value, column)
    row.set(column.name, value)
  }
  return row
}
