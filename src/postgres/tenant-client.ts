// One client of the pool look-alike. To an ORM it is a pg.PoolClient; but it has a connection only between BEGIN and COMMIT.
// Outside a transaction every statement is a lease of its own, so a client that is held and does nothing costs nobody anything.
//
//   connect() ── query('select …')                a lease
//             ── query('BEGIN')                   nothing is sent
//             ── query('insert …')                BEGIN, bind and insert, in one flush
//             ── query('COMMIT')                  the connection goes back
//             ── release()                        ROLLBACK, if a transaction is open

import { EventEmitter } from 'node:events'
import pg from 'pg'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'
import { CallbackRefusedError, StatementRefusedError, TransactionClosedError } from '../errors.ts'
import type { Leases } from './lease.ts'
import type { TypeParsers } from './result.ts'
import { classify, type StatementKind } from './statement.ts'
import { asPgResult, commandResult, type NamedStatement, refuseForeignForms, StatementNames } from './tenant-query.ts'
import { TenantTransaction } from './transaction.ts'
import { assertEndsHere, readModes } from './transaction-text.ts'

/** What a client needs of its pool. */
export interface TenantClientOptions {
  readonly leases: Leases
  readonly scope: TenantScope
  readonly context: TenantContext
  readonly types: TypeParsers | undefined
  /** Called once, by release(); `done` settles when nothing of the client runs any more. */
  readonly onRelease: (client: TenantClient, reason: Error | boolean | undefined, done: Promise<void>) => void
}

type ParserKey = readonly [oid: number, format: string, parse: (value: string) => unknown]

/**
 * A client of {@link TenantPool}. It belongs to the tenant in whose scope it was connected: a call from another tenant's
 * scope throws WrongTenantError; from outside every scope it runs for the client's own tenant.
 *
 * Statements run one after another, in the order of the calls.
 */
export class TenantClient extends EventEmitter {
  readonly context: TenantContext
  /** pg has the backend's here. A client has no backend of its own. */
  readonly processID: number | null = null
  readonly escapeIdentifier = pg.escapeIdentifier
  readonly escapeLiteral = pg.escapeLiteral
  readonly #options: TenantClientOptions
  readonly #names = new StatementNames()
  readonly #parsers: ParserKey[] = []
  #types: TypeParsers | undefined
  #tx: TenantTransaction | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #hasFailed = false
  #isReleased = false

  constructor(options: TenantClientOptions) {
    super()
    this.context = options.context
    this.#options = options
    this.#types = options.types
  }

  /**
   * As pg's, in its promise forms. BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin are understood as text.
   *
   * @throws {CallbackRefusedError} {@link SubmittableRefusedError} at once, for the forms that are refused.
   * @throws {WrongTenantError} in another tenant's scope.
   * @throws {TransactionAbortedError} from COMMIT, when a statement before it had failed: everything was rolled back.
   */
  query(...args: readonly unknown[]): Promise<pg.QueryResult> {
    refuseForeignForms('query', args)
    const [query, values] = args
    const answer = this.#tail.then(this.#admit(() => this.#run(this.#names.read(query, values, this.#types))))
    this.#tail = answer.catch(() => {})
    return answer
  }

  /**
   * Gives the client back. An open transaction is rolled back; with a reason, its connection is closed as well.
   *
   * @throws {TransactionClosedError} the second time.
   */
  release(reason?: Error | boolean): void {
    if (this.#isReleased) throw new TransactionClosedError('Release called on client which has already been released to the pool.')
    this.#isReleased = true
    const isBad = reason !== undefined && reason !== false
    const done = this.#tail.then(async () => {
      const tx = this.#tx
      this.#tx = undefined
      if (isBad) await tx?.destroy()
      else await tx?.rollback()
    })
    this.#options.onRelease(this, reason, done)
  }

  /** `I` outside a transaction, `T` inside, `E` inside one that has failed. */
  getTransactionStatus(): 'I' | 'T' | 'E' {
    if (this.#tx === undefined) return 'I'
    return this.#hasFailed ? 'E' : 'T'
  }

  /** Reads values of this type so on this client alone. */
  setTypeParser(oid: number, format: unknown, parse?: (value: string) => unknown): void {
    const [name, parser] = typeof format === 'function' ? ['text', format as (value: string) => unknown] : [String(format), parse!]
    this.#parsers.push([oid, name, parser])
    // A new object each time: how a prepared statement's rows are read is kept by the identity of its parsers.
    const types = new pg.TypeOverrides(this.#options.types as pg.CustomTypesConfig | undefined)
    for (const [id, kind, fn] of this.#parsers) types.setTypeParser(id, kind as 'text', fn as (value: unknown) => unknown)
    this.#types = types as TypeParsers
  }

  getTypeParser(oid: number, format?: string): unknown {
    return ((this.#types ?? pg.types) as TypeParsers).getTypeParser(oid, format)
  }

  /** A client of a pool is connected already. */
  connect(...args: readonly unknown[]): Promise<never> {
    if (args.length > 0) throw new CallbackRefusedError('connect() was given a callback, and the client is connected already.')
    return Promise.reject(new TransactionClosedError('Client has already been connected. You cannot reuse a client.'))
  }

  /** As `release(true)`. */
  async end(...args: readonly unknown[]): Promise<void> {
    refuseForeignForms('end', args)
    this.release(true)
    await this.#tail
  }

  /** Nothing keeps the process alive that is the client's own. */
  ref(): void {}
  unref(): void {}

  /** Checks, at the time of the call, who calls. */
  #admit<T>(run: () => Promise<T>): () => Promise<T> {
    try {
      if (this.#isReleased) throw new TransactionClosedError('The client was used after its release().')
      this.#options.scope.check(this.context)
      return run
    } catch (error) {
      return () => Promise.reject(error)
    }
  }

  async #run(statement: NamedStatement): Promise<pg.QueryResult> {
    const { kind } = classify(statement.text)
    switch (kind) {
      case 'begin':
        return this.#begin(statement.text)
      case 'commit':
        return await this.#commit(statement.text)
      case 'rollback':
        return await this.#rollback(statement.text)
      case 'set_transaction':
        return await this.#setTransaction(statement)
      default:
        return await this.#send(statement, kind)
    }
  }

  #begin(text: string): pg.QueryResult {
    const { options, sql } = readModes(text)
    if (this.#tx !== undefined) {
      // PostgreSQL warns and goes on; but the modes asked for would be lost, and the next COMMIT would end the outer one.
      if (sql !== '') throw new StatementRefusedError('BEGIN with modes inside a transaction is refused. COMMIT first, or use SAVEPOINT.')
      this.#warn('25001', 'there is already a transaction in progress')
    } else {
      const { leases } = this.#options
      this.#tx = new TenantTransaction(leases, this.context, { isolation: options.isolation })
      if (options.readOnly !== undefined) this.#tx.addModes(options.readOnly ? 'read only' : 'read write')
      if (options.deferrable !== undefined) this.#tx.addModes(options.deferrable ? 'deferrable' : 'not deferrable')
      this.#hasFailed = false
    }
    return commandResult(/^\W*start/i.test(text) ? 'START' : 'BEGIN')
  }

  async #commit(text: string): Promise<pg.QueryResult> {
    assertEndsHere(text)
    const tx = this.#tx
    this.#tx = undefined
    if (tx === undefined) this.#warn('25P01', 'there is no transaction in progress')
    await tx?.commit()
    return commandResult('COMMIT')
  }

  async #rollback(text: string): Promise<pg.QueryResult> {
    assertEndsHere(text)
    const tx = this.#tx
    this.#tx = undefined
    if (tx === undefined) this.#warn('25P01', 'there is no transaction in progress')
    await tx?.rollback()
    return commandResult('ROLLBACK')
  }

  async #setTransaction(statement: NamedStatement): Promise<pg.QueryResult> {
    const { sql } = readModes(statement.text)
    if (this.#tx === undefined) throw new StatementRefusedError('SET TRANSACTION has no effect outside a transaction. BEGIN first.')
    if (this.#tx.isBegun) return await this.#send(statement, 'set_transaction')
    this.#tx.addModes(sql)
    return commandResult('SET')
  }

  async #send(statement: NamedStatement, kind: StatementKind): Promise<pg.QueryResult> {
    const { leases } = this.#options
    const tx = this.#tx
    if (tx === undefined && kind !== 'query') {
      throw new StatementRefusedError(`${kind.replaceAll('_', ' ').toUpperCase()} can only be used in a transaction. BEGIN first.`)
    }
    try {
      const found = tx === undefined ? await leases.query(this.context, statement) : await tx.run(statement)
      if (kind === 'rollback_to') this.#hasFailed = false
      this.#names.keep(statement)
      return asPgResult(found, statement.rowMode)
    } catch (error) {
      this.#hasFailed = tx !== undefined
      throw error
    }
  }

  /** What PostgreSQL would have said. */
  #warn(code: string, message: string): void {
    this.emit('notice', { name: 'notice', severity: 'WARNING', code, message, length: message.length })
  }
}
