// A look-alike of pg.Pool, so that whatever is built on `pg` sits above the wall without knowing it.
//
// It is an instance of pg.Pool for those who ask (Drizzle and Prisma do), and inherits nothing that opens a connection: its
// connections are leases. What differs from pg.Pool, each with its test in test/postgres/tenant-pool-conformance.test.ts:
//
//   callbacks and Submittables       refused by name (T G1)
//   more than one statement in a text   refused
//   SET, LISTEN, COPY, … and DDL     refused: they outlive the lease, or belong in a migration
//   BEGIN                            is sent with the first statement: now() and the snapshot are those of that statement
//   COMMIT of a failed transaction   throws TransactionAbortedError, where pg resolves and has rolled back
//   a client                         is new for each connect(): the pool's events are those of clients, not of connections
//   end()                            closes this door, not the tenancy's connections

import pg from 'pg'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'
import { ClosedError, StatementRefusedError } from '../errors.ts'
import type { Leases } from './lease.ts'
import type { TypeParsers } from './result.ts'
import { TenantClient } from './tenant-client.ts'
import type { TenantDatabase } from './tenant-database.ts'
import { asPgResult, refuseForeignForms, StatementNames } from './tenant-query.ts'

export interface TenantPoolOptions {
  readonly leases: Leases
  readonly scope: TenantScope
  /** Type parsers for all queries, as pg takes them. */
  readonly types?: TypeParsers | undefined
}

/** What pg's pool would make connections with. Whoever makes one by hand would be outside the wall. */
class NoClient {
  constructor() {
    throw new StatementRefusedError('A client of its own would be outside the wall. Use connect().')
  }
}

/**
 * A pool for the tenant of whoever calls. The tenant is read at the time of the call; a client keeps the one it was connected
 * in. Only promises: callbacks are refused by name, in the types (they return `never`) and when called.
 *
 * @example
 * ```ts
 * import { drizzle } from 'drizzle-orm/node-postgres'
 *
 * const db = drizzle({ client: tenancy.pool() })
 * await tenancy.run('acme', () => db.select().from(documents))
 * ```
 */
export class TenantPool extends pg.Pool {
  readonly #leases: Leases
  readonly #scope: TenantScope
  readonly #types: TypeParsers | undefined
  readonly #names = new StatementNames()
  readonly #clients = new Set<TenantClient>()
  #running = 0
  #isEnding = false
  #isEnded = false
  #onIdle: (() => void) | undefined

  constructor(options: TenantPoolOptions) {
    super({ max: options.leases.databases.main.queue.stats().slots, Client: NoClient } as pg.PoolConfig)
    this.#leases = options.leases
    this.#scope = options.scope
    this.#types = options.types
    const { databases } = options.leases
    const sum = (count: (database: TenantDatabase) => number): number => databases.all().reduce((total, each) => total + count(each), 0)
    // Properties of each pg.Pool. Connections and waiting calls are those of the whole tenancy, which all its pools share.
    Object.defineProperties(this, {
      ending: { get: () => this.#isEnding },
      ended: { get: () => this.#isEnded },
      totalCount: { get: () => sum(({ pool }) => pool.size) },
      idleCount: { get: () => sum(({ pool }) => pool.idleCount) },
      waitingCount: { get: () => sum(({ queue }) => queue.stats().waiting) },
      expiredCount: { value: 0 },
    })
  }

  /** Refused: a Submittable writes to the connection by itself. */
  override query<T extends pg.Submittable>(submittable: T): never
  /** Refused: a callback runs in somebody else's context. */
  override query(query: string | pg.QueryConfig, callback: (...args: never[]) => void): never
  /** Refused: a callback runs in somebody else's context. */
  override query(text: string, values: readonly unknown[], callback: (...args: never[]) => void): never
  override query<Row extends unknown[]>(query: pg.QueryArrayConfig, values?: readonly unknown[]): Promise<pg.QueryArrayResult<Row>>
  override query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    query: string | pg.QueryConfig,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>
  /**
   * Runs one statement for the tenant of the caller's scope, in a lease of its own.
   *
   * @throws {NoTenantError} outside every tenant's scope.
   * @throws {StatementRefusedError} for what may not run inside the wall; BEGIN and its kin need a client.
   */
  override query(...args: readonly unknown[]): Promise<pg.QueryResult> {
    refuseForeignForms('query', args)
    return this.#query(args[0], args[1])
  }

  override connect(): Promise<pg.PoolClient>
  /** Refused: a callback runs in somebody else's context. */
  override connect(callback: (...args: never[]) => void): never
  /**
   * A client for the tenant of the caller's scope. It waits for nothing: a connection is taken by its statements.
   *
   * @throws {NoTenantError} outside every tenant's scope.
   */
  override connect(...args: readonly unknown[]): Promise<pg.PoolClient> {
    refuseForeignForms('connect', args)
    return this.#connect()
  }

  override end(): Promise<void>
  /** Refused: a callback runs in somebody else's context. */
  override end(callback: () => void): never
  /** Closes this pool and waits for what runs on it. The tenancy and its other pools go on. */
  override end(...args: readonly unknown[]): Promise<void> {
    refuseForeignForms('end', args)
    if (this.#isEnding) return Promise.reject(new ClosedError('Called end on pool more than once'))
    this.#isEnding = true
    return new Promise((resolve) => {
      this.#onIdle = () => {
        this.#isEnded = true
        resolve()
      }
      this.#settle()
    })
  }

  async #query(query: unknown, values: unknown): Promise<pg.QueryResult> {
    const context = this.#admit()
    this.#running += 1
    try {
      const statement = this.#names.read(query, values, this.#types)
      const found = await this.#leases.query(context, statement)
      this.#names.keep(statement)
      return asPgResult(found, statement.rowMode)
    } finally {
      this.#running -= 1
      if (this.#isEnding) this.#settle()
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const client = new TenantClient({
      leases: this.#leases,
      scope: this.#scope,
      context: this.#admit(),
      types: this.#types,
      onRelease: (released, reason, done) => this.#released(released, reason, done),
    })
    this.#clients.add(client)
    const lookAlike = client as unknown as pg.PoolClient
    this.emit('connect', lookAlike)
    this.emit('acquire', lookAlike)
    return lookAlike
  }

  #released(client: TenantClient, reason: Error | boolean | undefined, done: Promise<void>): void {
    this.emit('release', reason, client)
    done
      .catch(() => {})
      .finally(() => {
        this.#clients.delete(client)
        this.emit('remove', client)
        if (this.#isEnding) this.#settle()
      })
  }

  #admit(): TenantContext {
    if (this.#isEnding) throw new ClosedError('Cannot use a pool after calling end on the pool')
    return this.#scope.current()
  }

  #settle(): void {
    if (this.#running > 0 || this.#clients.size > 0) return
    this.#onIdle?.()
    this.#onIdle = undefined
  }
}
