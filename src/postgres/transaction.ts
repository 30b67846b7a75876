// A transaction of one tenant. Nothing is sent, and no connection taken, before its first statement: BEGIN and the bind ride
// with that statement in one flush.

import type { TenantContext } from '../core/tenant-context.ts'
import {
  CapabilityRefusedError,
  InvalidInputError,
  StatementRefusedError,
  TransactionAbortedError,
  TransactionClosedError,
} from '../errors.ts'
import type { Binding, Place } from './binding.ts'
import type { Capability } from './capabilities.ts'
import type { Connection } from './connection.ts'
import { type Flush, type FlushStep, ownStep } from './flush.ts'
import { explainFailure, explainIn, type HeldConnection, type Leases, type QueryOptions, type Statement, writeStatement } from './lease.ts'
import { Portal } from './portal.ts'
import type { QueryResult } from './result.ts'
import { classify } from './statement.ts'
import type { TenantDatabase } from './tenant-database.ts'
import { TransactionAudit } from './transaction-audit.ts'
import { TransactionLease } from './transaction-lease.ts'
import { beginModes, type StreamOptions, type TransactionOptions, timeoutOf } from './transaction-options.ts'
import type { Cure, Tries } from './tries.ts'
import { aborted } from './watchdog.ts'
import { bindAndExecute, type FlushWriter, toWireValues } from './wire.ts'

const savepointDepthMax = 100

type State = 'open' | 'committed' | 'rolled back'
type WriteStep = (writer: FlushWriter, connection: Connection, place: Place) => FlushStep
type StepOptions = QueryOptions & { readonly text: string }
type StepAnswer<Row> = QueryResult<Row> & { readonly isSuspended: boolean }

/** What became of one step. */
interface Sent {
  /** BEGIN went with it. */
  hasBegun: boolean
  readonly restarts: number
}

/**
 * A transaction bound to one tenant. It is handed to the callback of `tenancy.transaction` and is closed when that ends.
 * Statements sent without waiting run one after another, in the order of the calls.
 */
export class TenantTransaction {
  readonly context: TenantContext
  readonly #leases: Leases
  readonly #options: TransactionOptions
  readonly #timeoutMs: number
  readonly #lease: TransactionLease
  readonly #binding: Binding
  readonly #audit: TransactionAudit | undefined
  readonly #pending = new Set<Promise<unknown>>()
  #modes: string
  #isBegun = false
  #state: State = 'open'
  #tries: Tries | undefined
  /** Why it could not begin again. What was called before cannot be forgotten, so nothing may come after it. */
  #lostBy: unknown
  /** How often it was begun anew; and the end of that, while it lasts. */
  #restarts = 0
  #restarting: Promise<void> | undefined
  #timeoutInForce: number | undefined
  #savepoints = 0
  #portals = 0

  /** @throws {InvalidInputError} when an option is out of range. */
  constructor(leases: Leases, context: TenantContext, options: TransactionOptions = {}) {
    this.context = context
    this.#leases = leases
    this.#options = options
    this.#timeoutMs = timeoutOf(options)
    this.#lease = new TransactionLease({ leases, context, timeoutMs: this.#timeoutMs, signal: options.signal })
    this.#binding = leases.bindingOf(context)
    this.#audit = leases.audit && new TransactionAudit(leases.audit, context)
    this.#modes = beginModes(options)
  }

  /** Has BEGIN been sent? */
  get isBegun(): boolean {
    return this.#isBegun
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /**
   * Runs one statement in the transaction.
   *
   * @throws {TransactionClosedError} after the end.
   * @throws {StatementRefusedError} for a statement that may not run inside the wall, or that would end the transaction.
   */
  async query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<Row>> {
    return await this.run<Row>({ text, values, ...options })
  }

  /** @internal The same, for the doors that have one object in hand. */
  async run<Row = Record<string, unknown>>(statement: Statement): Promise<QueryResult<Row>> {
    const audit = this.#audit
    if (audit === undefined) return await this.#answer<Row>(statement)
    return await audit.around(statement, async (admitted) => {
      if (admitted !== undefined) await this.#track(admitted)
      return await this.#answer<Row>(statement)
    })
  }

  async #answer<Row>(statement: Statement): Promise<QueryResult<Row>> {
    const { kind } = classify(statement.text)
    if (kind === 'begin' || kind === 'commit' || kind === 'rollback') {
      throw new StatementRefusedError(
        `${kind.toUpperCase()} is refused inside a transaction: it begins and ends with its callback. Use tx.savepoint(fn) to nest.`,
      )
    }
    const { grant } = this.context
    // Recorded before anything of the tenant's is there; and part of what the end waits for.
    const result = await this.#track<QueryResult<Row>>(
      grant === undefined
        ? this.#execute<Row>(statement)
        : grant.record(statement.text).then(async () => await this.#execute<Row>(statement)),
    )
    // What was set since the savepoint is undone with it, the timeout too: no number is equal to this one, so it is sent anew.
    if (kind === 'rollback_to') this.#timeoutInForce = Number.NaN
    return result
  }

  /** @internal SET TRANSACTION before the first statement becomes part of BEGIN. */
  addModes(modes: string): void {
    if (this.#isBegun) throw new StatementRefusedError('SET TRANSACTION must come before the first statement of the transaction.')
    this.#modes = `${this.#modes} ${modes}`.trim()
  }

  /**
   * Runs `fn` between SAVEPOINT and RELEASE; when it throws, what it did is rolled back and the transaction goes on.
   *
   * @throws {InvalidInputError} past 100 levels: each costs memory in every backend that looks at the rows.
   */
  async savepoint<T>(fn: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    if (this.#savepoints >= savepointDepthMax)
      throw new InvalidInputError(`Savepoints are nested ${savepointDepthMax} deep: something recurses.`)
    const name = `pw_${++this.#savepoints}`
    try {
      await this.run({ text: `savepoint ${name}` })
      try {
        const result = await fn(this)
        await this.run({ text: `release savepoint ${name}` })
        return result
      } catch (error) {
        // When even this fails, the transaction is lost, and its end will say so.
        await this.run({ text: `rollback to savepoint ${name}` }).catch(() => {})
        throw error
      }
    } finally {
      this.#savepoints -= 1
    }
  }

  /**
   * Reads a large result in pieces, by a portal that lives no longer than the transaction. Memory is bounded by `batchSize`.
   *
   * @example
   * ```ts
   * for await (const row of tx.stream<{ id: string }>('select id from documents')) console.log(row.id)
   * ```
   */
  async *stream<Row = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
    options: StreamOptions = {},
  ): AsyncGenerator<Row, void, void> {
    const portal = new Portal(`pw_p${++this.#portals}`, text, values, options)
    const next = (writer: FlushWriter): FlushStep => portal.writeNext(writer)
    let report = await this.#audit?.beginStream({ text, values })
    const begin = async () => {
      await this.context.grant?.record(text)
      return await this.#track(this.#run<Row>((...flush) => portal.writeFirst(...flush), { ...options, text }))
    }
    let rows = 0
    const failed = (error: unknown): never => {
      report?.failed(error, rows)
      report = undefined
      throw error
    }
    let batch = await begin().catch(failed)
    try {
      for (;;) {
        rows += batch.rows.length
        yield* batch.rows
        if (!batch.isSuspended) return
        batch = await this.#track(this.#run<Row>(next, { ...options, text })).catch(failed)
      }
    } finally {
      report?.done(rows)
      if (batch.isSuspended && this.isOpen) await this.#track(this.#closePortal(portal)).catch(() => {})
    }
  }

  /** @internal */
  async commit(): Promise<void> {
    await this.#end('committed', async (held) => {
      const { command } = await this.#control(held, 'commit')
      // PostgreSQL answers COMMIT of a failed transaction with the tag ROLLBACK, and no error.
      if (command === 'ROLLBACK') {
        throw rolledBack()
      }
    })
  }

  /** @internal Never throws: what cannot be rolled back is cut. */
  async rollback(): Promise<void> {
    await this.#end('rolled back', async (held) => {
      await this.#control(held, 'rollback').catch(() => held.connection.giveUp('its transaction could not be rolled back'))
    })
  }

  /** @internal As rollback, for a caller who distrusts the connection: it is closed, and the server rolls back. */
  async destroy(): Promise<void> {
    const held = await this.#lease.connection()
    held?.connection.giveUp('its user asked for it')
    await this.rollback()
  }

  async #execute<Row>(statement: Statement): Promise<QueryResult<Row>> {
    const values = toWireValues(statement.values ?? [])
    return await this.#run<Row>((writer, connection, place) => writeStatement(writer, connection, place, statement, values), statement)
  }

  /** Sends one step. The one that begins the transaction may be tried again: it did nothing but fail. */
  async #run<Row>(write: WriteStep, options: StepOptions): Promise<StepAnswer<Row>> {
    for (;;) {
      // What was called later is sent later.
      while (this.#restarting !== undefined) await this.#restarting.catch(() => {})
      if (this.#lostBy !== undefined) throw this.#lostBy
      const sent: Sent = { hasBegun: false, restarts: this.#restarts }
      try {
        return await this.#flush<Row>(write, options, sent)
      } catch (error) {
        // It was sent behind the first one and failed with it: it follows it again.
        if (sent.restarts !== this.#restarts) continue
        const isFirst = sent.hasBegun || !this.#isBegun
        const cure = isFirst && this.isOpen ? this.#cureOf(error, options) : undefined
        if (cure === undefined) throw error
        this.#restarts += 1
        this.#restarting = this.#restart(cure, error)
        try {
          await this.#restarting
        } finally {
          this.#restarting = undefined
        }
      }
    }
  }

  /** Sends one step, with BEGIN and the bind before it if it is the first. */
  async #flush<Row>(write: WriteStep, options: StepOptions, sent: Sent): Promise<StepAnswer<Row>> {
    this.#assertOpen()
    const { database, capability, held } = await this.#lease.take()
    const { connection } = held
    const place: Place = { database, schema: this.#lease.tenant.placement.schema }
    this.#assertOpen()
    if (!connection.isUsable) throw explainFailure(connection.brokenBy!, connection, { mayHaveWritten: false })
    const { kind } = classify(options.text)
    return await new Promise((resolve, reject) => {
      const guard = this.#leases.watchdog.guard(connection, options, this.#leases.statementTimeoutMs)
      const finish = (error: Error | undefined, flush: Flush | undefined): void => {
        guard.end()
        if (error === undefined) resolve(flush!.result as never)
        else reject(this.#explain(error, database, connection, capability))
      }
      if (guard.isAborted) {
        guard.end()
        reject(aborted(options.signal))
        return
      }
      if (!this.#isBegun) this.#binding.enter(place, connection, capability)
      connection.send((writer) => {
        const steps: FlushStep[] = []
        if (!this.#isBegun) {
          this.#isBegun = true
          sent.hasBegun = true
          writeControl(writer, connection, `begin ${this.#modes}`.trim())
          const whom = { context: this.context, timeoutMs: options.timeoutMs, transaction: this.#audit?.name }
          steps.push(ownStep, ...this.#binding.writeSteps(writer, connection, place, capability, whom))
          this.#timeoutInForce = options.timeoutMs
        } else if (kind === 'query' && options.timeoutMs !== this.#timeoutInForce) {
          steps.push(this.#binding.writeTimeout(writer, connection, options.timeoutMs))
          this.#timeoutInForce = options.timeoutMs
        }
        // It undoes what was set since the savepoint: which timeout is in force is not known any more, and is set again.
        if (kind === 'rollback_to') this.#timeoutInForce = Number.NaN
        steps.push(write(writer, connection, place))
        return steps
      }, finish)
    })
  }

  /** Nothing of a transaction is committed before its COMMIT. */
  #explain(error: Error, database: TenantDatabase, connection: Connection, capability: Capability): unknown {
    const explained = explainIn(database, error, connection, { mayHaveWritten: false })
    if (explained instanceof CapabilityRefusedError) this.#leases.forgetCapability(database, connection, capability)
    this.#leases.noteRefusal(explained, this.context.tenant.id)
    return explained
  }

  #cureOf(error: unknown, options: StepOptions): Cure | undefined {
    const { tenant, database, isCapabilityOwn } = this.#lease
    if (this.#tries === undefined) {
      const signals = [options.signal, this.#options.signal].filter((signal) => signal !== undefined)
      const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0]
      this.#tries = this.#leases.tries(tenant.id, { signal, timeoutMs: Math.min(options.timeoutMs ?? this.#timeoutMs, this.#timeoutMs) })
    }
    const cure = this.#tries.cureOf(error, tenant, database)
    // Where it was refused a capability of its own, a new one would be refused as well; elsewhere it may be known.
    return cure === 'renewal' && isCapabilityOwn && error instanceof CapabilityRefusedError ? undefined : cure
  }

  /** Gets ready to begin again. Whoever has to wait, or to go elsewhere, holds nothing meanwhile. */
  async #restart(cure: Cure, error: unknown): Promise<void> {
    const held = await this.#lease.connection()
    if (this.#isBegun && held?.connection.isUsable === true) {
      await this.#control(held, 'rollback').catch(() => held.connection.giveUp('its transaction could not be rolled back'))
    }
    this.#isBegun = false
    if (cure === 'renewal' && held?.connection.isUsable !== false) this.#lease.renew()
    else await this.#lease.giveBack()
    try {
      this.#lease.moveTo(await this.#tries!.next(cure, error, this.#lease.tenant))
    } catch (refusal) {
      this.#lostBy = refusal
      throw refusal
    }
  }

  async #end(state: 'committed' | 'rolled back', finish: (held: HeldConnection) => Promise<void>): Promise<void> {
    this.#assertOpen()
    try {
      await this.#finish(state, finish)
    } catch (error) {
      this.#audit?.ended(state, error)
      throw error
    }
    this.#audit?.ended(state)
  }

  async #finish(state: 'committed' | 'rolled back', finish: (held: HeldConnection) => Promise<void>): Promise<void> {
    // What was sent without waiting belongs to the transaction still.
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending])
    this.#state = state
    if (state === 'committed' && this.#lostBy !== undefined) throw rolledBack(this.#lostBy)
    const held = await this.#lease.connection()
    try {
      if (held !== undefined && this.#isBegun) {
        if (held.connection.isUsable) await finish(held)
        else if (state === 'committed') throw explainFailure(held.connection.brokenBy!, held.connection, { mayHaveWritten: false })
      }
    } finally {
      await this.#lease.giveBack()
    }
  }

  /** COMMIT and ROLLBACK: statements of ours, without values. */
  #control({ connection }: HeldConnection, text: 'commit' | 'rollback'): Promise<{ readonly command: string }> {
    const mayHaveWritten = text === 'commit' && !this.#options.readOnly
    return new Promise((resolve, reject) => {
      const guard = this.#leases.watchdog.guard(connection, {}, this.#leases.statementTimeoutMs)
      connection.send(
        (writer) => {
          writeControl(writer, connection, text)
          writer.sync()
          return [ownStep]
        },
        (error, flush) => {
          guard.end()
          if (error === undefined) resolve(flush!.result!)
          else reject(explainFailure(error, connection, { mayHaveWritten }))
        },
      )
    })
  }

  async #closePortal(portal: Portal): Promise<void> {
    const { held } = await this.#lease.take()
    const { connection } = held
    await new Promise<void>((resolve) => {
      connection.send(
        (writer) => {
          portal.writeClose(writer)
          return []
        },
        () => resolve(),
      )
    })
  }

  #assertOpen(): void {
    if (this.#state !== 'open')
      throw new TransactionClosedError(`The transaction was ${this.#state} already. Await every statement inside the callback.`)
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    try {
      return await work
    } finally {
      this.#pending.delete(work)
    }
  }
}

/** Runs `fn` in a transaction of the tenant: COMMIT when it resolves, ROLLBACK when it throws. */
export async function transaction<T>(
  leases: Leases,
  context: TenantContext,
  options: TransactionOptions,
  fn: (tx: TenantTransaction) => Promise<T>,
): Promise<T> {
  const tx = new TenantTransaction(leases, context, options)
  let result: T
  try {
    result = await fn(tx)
  } catch (error) {
    await tx.rollback()
    throw error
  }
  await tx.commit()
  return result
}

function rolledBack(cause?: unknown): TransactionAbortedError {
  return new TransactionAbortedError(
    'The transaction was rolled back: one of its statements had failed, and the failure was not rolled back to a savepoint.',
    { cause },
  )
}

function writeControl(writer: FlushWriter, connection: Connection, text: string): void {
  const name = connection.prepareFixed(writer, `pw_${text.replaceAll(/[^a-z]/g, '_')}`, text)
  writer.raw(bindAndExecute(name, []))
}
