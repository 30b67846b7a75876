// Connections of the control plane: the catalog, capabilities, API keys, the audit trail. Never tenant rows.
// The gatekeeper's and the migrator's logins come through here, apart from the app's, so that nothing injected into the
// app's SQL can reach them.

import pg from 'pg'
import { ClosedError, DatabaseUnavailableError } from '../errors.ts'

export interface ControlPoolOptions {
  readonly connectionString: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** Default 2. */
  readonly connectionsMax?: number | undefined
  /** Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Default 10,000. 0 sends none: PgBouncer refuses a connection that asks for settings which it does not know. */
  readonly statementTimeoutMs?: number | undefined
}

/** So long after a statement's own timeout its answer may still come. */
const silenceMs = 5_000

/** What runs one statement. Values are always parameters. */
export interface ControlConnection {
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
}

/** A small pool for trusted, short statements. It re-connects by itself; a broken idle connection is nobody's crash. */
export class ControlPool implements ControlConnection {
  readonly #pool: pg.Pool
  readonly #config: pg.ClientConfig

  constructor(options: ControlPoolOptions) {
    this.#config = {
      connectionString: options.connectionString,
      application_name: options.applicationName,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      // A server that falls silent says nothing of its own timeout.
      ...(options.statementTimeoutMs !== 0 && { query_timeout: (options.statementTimeoutMs ?? 10_000) + silenceMs }),
      keepAlive: true,
    }
    this.#pool = new pg.Pool({ ...this.#config, max: options.connectionsMax ?? 2, idleTimeoutMillis: 60_000, allowExitOnIdle: true })
    // An idle connection that breaks is taken out by the pool; without a listener it would end the process.
    this.#pool.on('error', () => {})
    // The pool listens to idle connections alone. One that is lent and breaks between two statements tells the next of them.
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#guard(async () => (await this.#pool.query<Row>(text, [...values])).rows)
  }

  /** BEGIN, `fn`, COMMIT; ROLLBACK when it throws. */
  async transaction<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T> {
    return this.#guard(async () => {
      const client = await this.#pool.connect()
      let broken: Error | undefined
      try {
        await client.query('begin')
        const result = await fn({ query: async (text, values = []) => (await client.query(text, [...values])).rows })
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch((rollbackError: Error) => {
          broken = rollbackError
        })
        throw error
      } finally {
        client.release(broken)
      }
    })
  }

  /**
   * Lends one connection for several statements, for what a session must hold: a session's lock, a statement that cannot be in a
   * transaction. When `fn` throws the connection is closed, so that nothing of the session outlives it.
   */
  async session<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T> {
    return this.#guard(async () => {
      const client = await this.#pool.connect()
      let isSound = false
      try {
        const result = await fn({ query: async (text, values = []) => (await client.query(text, [...values])).rows })
        isSound = true
        return result
      } finally {
        client.release(!isSound)
      }
    })
  }

  /** A connection of its own, outside the pool, for LISTEN. Its owner ends it. */
  async dedicated(): Promise<pg.Client> {
    return this.#guard(async () => {
      const client = new pg.Client(this.#config)
      await client.connect()
      return client
    })
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end()
  }

  async #guard<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#pool.ended) throw new ClosedError('The control connections are closed.')
    try {
      return await fn()
    } catch (error) {
      throw isConnectionFailure(error)
        ? new DatabaseUnavailableError(`The control plane's database cannot be reached: ${(error as Error).message}`, { cause: error })
        : error
    }
  }
}

/** Did the connection fail, rather than the statement? Classes 08, 28 and 57P* of Appendix A, and the socket's own errors. */
export function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string') {
    return /^(08...|28000|28P01|3D000|57P0[123]|53300|ECONN\w+|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOENT)$/.test(
      code,
    )
  }
  return /Connection terminated|Query read timeout|timeout expired|timeout exceeded when trying to connect/.test(error.message)
}
