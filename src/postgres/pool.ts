// The app's connections to one database. Bounded by the slots of the queue before it: whoever holds a slot gets a connection.
// The only file that opens connections which can see tenants' rows.

import pg from 'pg'
import type { Clock } from '../core/clock.ts'
import { runOutside } from '../core/tenant-context.ts'
import { ClosedError, DatabaseUnavailableError } from '../errors.ts'
import { Connection, type ConnectionConfig } from './connection.ts'
import { isConnectionFailure } from './control-pool.ts'

export interface ConnectionPoolOptions {
  readonly connectionString: string
  readonly clock: Clock
  readonly applicationName?: string | undefined
  /** Keep prepared statements on the server. Set false behind PgBouncer older than 1.21. Default true. */
  readonly prepare?: boolean | undefined
  /** Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** A connection idle for so long is closed. Prepared statements go with it, so it is long: default 300,000. */
  readonly idleTimeoutMs?: number | undefined
  /** A connection older than this is not given out again. Default 3,600,000. */
  readonly lifetimeMs?: number | undefined
}

const sweepEveryMs = 30_000

export class ConnectionPool {
  readonly #clock: Clock
  readonly #config: ConnectionConfig
  readonly #idleTimeoutMs: number
  readonly #lifetimeMs: number
  /** Last used last: the warmest connection is given out first, the coldest run out. */
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  #isClosed = false
  #sweeper: NodeJS.Timeout | undefined

  constructor(options: ConnectionPoolOptions) {
    this.#clock = options.clock
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 300_000
    this.#lifetimeMs = options.lifetimeMs ?? 3_600_000
    this.#config = {
      prepare: options.prepare ?? true,
      client: {
        connectionString: options.connectionString,
        application_name: options.applicationName ?? 'partywall',
        connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
        keepAlive: true,
      },
    }
    this.#sweeper = setInterval(() => this.#sweep(), sweepEveryMs)
    this.#sweeper.unref()
  }

  get size(): number {
    return this.#all.size
  }

  get idleCount(): number {
    return this.#idle.length
  }

  /** An idle connection, if there is one. */
  takeIdle(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable) return connection
      this.discard(connection)
    }
    return undefined
  }

  /**
   * An idle connection or a new one.
   *
   * @throws {DatabaseUnavailableError} when the database cannot be reached or refuses.
   */
  async take(): Promise<Connection> {
    if (this.#isClosed) throw new ClosedError('The pool is closed.')
    const idle = this.takeIdle()
    if (idle !== undefined) return idle
    const connection = await this.#open()
    if (this.#isClosed) {
      this.discard(connection)
      throw new ClosedError('The pool was closed meanwhile.')
    }
    return connection
  }

  /** Takes a connection back. It must be idle and outside any transaction: one that is not is closed. */
  give(connection: Connection): void {
    const now = this.#clock.monotonic()
    connection.usedAt = now
    if (this.#isClosed || !connection.isUsable || connection.transactionStatus !== 'I' || now - connection.openedAt > this.#lifetimeMs) {
      this.discard(connection)
      return
    }
    this.#idle.push(connection)
  }

  /** Closes a connection for good. */
  discard(connection: Connection): void {
    this.#all.delete(connection)
    connection.destroy()
  }

  /** Closes the idle ones now and the others as they come back. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
    for (const connection of this.#idle.splice(0)) this.discard(connection)
  }

  async #open(): Promise<Connection> {
    try {
      // A connection serves many tenants: its socket must not keep the context of the first.
      const connection = await runOutside(() => Connection.open(this.#config))
      connection.openedAt = this.#clock.monotonic()
      connection.usedAt = connection.openedAt
      connection.onBroken = () => this.#drop(connection)
      this.#all.add(connection)
      return connection
    } catch (error) {
      const isRefusal = error instanceof pg.DatabaseError && /^(28|3D|53|57P03)/.test(error.code ?? '')
      if (isRefusal || isConnectionFailure(error)) {
        throw new DatabaseUnavailableError(`No connection to the database: ${(error as Error).message}`, { cause: error })
      }
      throw error
    }
  }

  /** One that broke while idle must not be given out. */
  #drop(connection: Connection): void {
    this.#all.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  #sweep(): void {
    const coldest = this.#clock.monotonic() - this.#idleTimeoutMs
    while (this.#idle.length > 0 && this.#idle[0]!.usedAt < coldest) this.discard(this.#idle.shift()!)
  }
}
