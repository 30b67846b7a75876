// The lease: a connection, bound to one tenant, for one statement or one transaction, and nothing else.
//
// The capability is bound by the flush that carries the statement:
//
//   Bind(set_config, capability) Execute  Bind(statement) Describe? Execute  Sync        one socket write, one round trip
//
// The check is in the policies, where it cannot be skipped; here is only the binding. The end of the (implicit) transaction
// forgets it. The same step reports what was bound before: anything but nothing costs the connection its life.

import pg from 'pg'
import type { Clock } from '../core/clock.ts'
import type { FairQueue } from '../core/fair-queue.ts'
import type { Slot } from '../core/slot.ts'
import type { TenantId } from '../core/tenant.ts'
import { runOutside, type TenantContext } from '../core/tenant-context.ts'
import { AbortedError, CapabilityRefusedError, StatementRefusedError, StatementTimeoutError } from '../errors.ts'
import type { Capabilities, Capability } from './capabilities.ts'
import { type Connection, isStalePlan } from './connection.ts'
import { type FailureSituation, translate } from './database-errors.ts'
import { type Flush, type FlushStep, ownStep } from './flush.ts'
import type { ConnectionPool } from './pool.ts'
import type { QueryResult, TypeParsers } from './result.ts'
import { classify } from './statement.ts'
import { bindAndExecute, type FlushWriter, toWireValues } from './wire.ts'

/** How one statement runs. */
export interface QueryOptions {
  /** Cancels the statement after so many milliseconds. At most the limit of the role (30,000 by default). */
  readonly timeoutMs?: number | undefined
  /** Cancels the statement, and gives up its connection. */
  readonly signal?: AbortSignal | undefined
  /** `array`: rows as arrays of values, in the order of the columns. */
  readonly rowMode?: 'array' | undefined
  /** Type parsers for this statement, as pg takes them. */
  readonly types?: TypeParsers | undefined
}

/** A statement with its values. */
export interface Statement extends QueryOptions {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
}

export interface LeasesOptions {
  readonly pool: ConnectionPool
  readonly queue: FairQueue
  readonly capabilities: Capabilities
  readonly clock: Clock
  /** Weight of a tenant in the queue, by its plan. Default: 1 for all. */
  readonly weight?: ((context: TenantContext) => number) | undefined
  /** How long a call may wait for a slot, in milliseconds. Default: the queue's own. */
  readonly admissionDeadlineMs?: number | undefined
  /** The longest that a statement may run, in milliseconds; default 30,000, the limit of the app's role. */
  readonly statementTimeoutMs?: number | undefined
  /** Told when the database refuses a tenant that a cache believed active. */
  readonly onRefused?: ((tenantId: TenantId) => void) | undefined
}

/** A connection with its slot, held by a transaction. */
export interface HeldConnection {
  readonly connection: Connection
  readonly slot: Slot
}

/** Time that the server has to report its own timeout, before the connection is cut. */
export const timeoutGraceMs = 5_000

type WireValues = ReturnType<typeof toWireValues>

const previousAndBind = `select current_setting('partywall.capability', true), set_config('partywall.capability', $1, true)`
const previousAndBindWithTimeout = `${previousAndBind}, set_config('statement_timeout', $2, true)`

export class Leases {
  readonly pool: ConnectionPool
  readonly queue: FairQueue
  readonly capabilities: Capabilities
  readonly clock: Clock
  readonly statementTimeoutMs: number
  readonly #weight: (context: TenantContext) => number
  readonly #admissionDeadlineMs: number | undefined
  readonly #onRefused: (tenantId: TenantId) => void
  readonly watchdog: Watchdog

  constructor(options: LeasesOptions) {
    this.pool = options.pool
    this.queue = options.queue
    this.capabilities = options.capabilities
    this.clock = options.clock
    this.statementTimeoutMs = options.statementTimeoutMs ?? 30_000
    this.#weight = options.weight ?? (() => 1)
    this.#admissionDeadlineMs = options.admissionDeadlineMs
    this.#onRefused = options.onRefused ?? (() => {})
    this.watchdog = new Watchdog(options.clock)
  }

  /**
   * Runs one statement for the tenant: admitted, bound and sent in one flush, and its connection given back.
   *
   * @throws {StatementRefusedError} when the statement may not run inside the wall.
   * @throws {TenantBusyError} {@link OverloadedError} {@link AdmissionTimeoutError} from the queue.
   * @throws {TenancyError} what the database refused; pg's DatabaseError for the application's own SQL.
   */
  async query<Row = Record<string, unknown>>(context: TenantContext, statement: Statement): Promise<QueryResult<Row>> {
    const { kind } = classify(statement.text)
    if (kind !== 'query') {
      throw new StatementRefusedError(
        `${kind.toUpperCase()} by itself is refused: use tenancy.transaction(fn), or a client of tenancy.pool().`,
      )
    }
    const values = toWireValues(statement.values ?? [])
    try {
      return await this.#once<Row>(context, statement, values)
    } catch (error) {
      if (!this.#isWorthAnother(error, context.tenant.id)) throw error
      return await this.#once<Row>(context, statement, values)
    }
  }

  /** A connection and its slot, when it is this tenant's turn. The caller gives both back through `release`. */
  async hold(context: TenantContext, signal?: AbortSignal): Promise<HeldConnection> {
    const slot = this.queue.tryAcquire(context.tenant.id, this.#weight(context)) ?? (await this.#wait(context, signal))
    try {
      return { slot, connection: this.pool.takeIdle() ?? (await this.pool.take()) }
    } catch (error) {
      slot.release()
      throw error
    }
  }

  release({ connection, slot }: HeldConnection): void {
    this.pool.give(connection)
    slot.release()
  }

  /** Is the failure one that a new capability or a new plan cures, and one before which nothing happened? */
  #isWorthAnother(error: unknown, tenantId: TenantId): boolean {
    if (error instanceof CapabilityRefusedError) return true
    if (isStalePlan(error)) return true
    this.noteRefusal(error, tenantId)
    return false
  }

  /** Tells the cache when the database knows better. */
  noteRefusal(error: unknown, tenantId: TenantId): void {
    const code = (error as { code?: unknown } | undefined)?.code
    if (code === 'PW_TENANT_SUSPENDED' || code === 'PW_TENANT_MOVING' || code === 'PW_TENANT_READ_ONLY') this.#onRefused(tenantId)
  }

  async #once<Row>(context: TenantContext, statement: Statement, values: WireValues): Promise<QueryResult<Row>> {
    const { id } = context.tenant
    const capability = this.capabilities.tryGet(id) ?? (await this.capabilities.get(id))
    return await this.#send<Row>(await this.hold(context, statement.signal), capability, statement, values)
  }

  #wait(context: TenantContext, signal: AbortSignal | undefined): Promise<Slot> {
    return this.queue.acquire(context.tenant.id, {
      weight: this.#weight(context),
      deadlineMs: this.#admissionDeadlineMs,
      signal,
    })
  }

  /** Bind and statement in one flush; the connection goes back before the caller is told. */
  #send<Row>(held: HeldConnection, capability: Capability, statement: Statement, values: WireValues): Promise<QueryResult<Row>> {
    const { connection } = held
    return new Promise<QueryResult<Row>>((resolve, reject) => {
      const finish = (error: Error | undefined, flush: Flush | undefined): void => {
        guard.end()
        this.release(held)
        if (error === undefined) resolve(flush!.result as unknown as QueryResult<Row>)
        else reject(this.#explain(error, statement, capability, connection))
      }
      const guard = this.watchdog.guard(connection, statement, this.statementTimeoutMs)
      if (guard.isAborted) {
        guard.end()
        this.release(held)
        reject(aborted(statement.signal))
        return
      }
      connection.send((writer) => {
        const bind = this.writeBind(writer, connection, capability, statement.timeoutMs)
        return [bind, writeStatement(writer, connection, statement, values)]
      }, finish)
    })
  }

  /** Writes the step that binds the capability, and for this statement alone its timeout. */
  writeBind(writer: FlushWriter, connection: Connection, capability: Capability, timeoutMs: number | undefined): FlushStep {
    if (timeoutMs === undefined) {
      const name = connection.prepareFixed(writer, 'pw_bind', previousAndBind)
      if (name === '') writer.raw(bindAndExecute('', [capability.handle]))
      else {
        capability.bindMessage ??= bindAndExecute(name, [capability.handle])
        writer.raw(capability.bindMessage)
      }
    } else {
      const name = connection.prepareFixed(writer, 'pw_bind_timeout', previousAndBindWithTimeout)
      writer.raw(bindAndExecute(name, [capability.handle, this.#limit(timeoutMs)]))
    }
    return connection.emptySessionStep
  }

  /** Inside a transaction: the timeout of the statements from here on; undefined for the limit of the role. */
  writeTimeout(writer: FlushWriter, connection: Connection, timeoutMs = this.statementTimeoutMs): FlushStep {
    const name = connection.prepareFixed(writer, 'pw_timeout', `select set_config('statement_timeout', $1, true)`)
    writer.raw(bindAndExecute(name, [this.#limit(timeoutMs)]))
    return ownStep
  }

  /** Milliseconds, as text; at least 1 (0 would mean none), at most the role's own limit. */
  #limit(timeoutMs: number): string {
    return String(Math.max(1, Math.min(Math.ceil(timeoutMs), this.statementTimeoutMs)))
  }

  #explain(error: Error, statement: Statement, capability: Capability, connection: Connection): unknown {
    const explained = explainFailure(error, connection, { mayHaveWritten: !classify(statement.text).isReadOnly })
    if (explained instanceof CapabilityRefusedError) this.capabilities.forget(capability)
    return explained
  }
}

/** The reason for which the connection was given up goes before what the socket said of it. */
export function explainFailure(error: Error, connection: Connection, situation: FailureSituation): unknown {
  const broken = connection.brokenBy
  if (broken === undefined || error instanceof pg.DatabaseError) return translate(error, situation)
  return translate(broken, situation)
}

/** Writes the caller's statement: bound, described if its rows are not known yet, executed; and the Sync. */
export function writeStatement(
  writer: FlushWriter,
  connection: Connection,
  statement: QueryOptions & { readonly text: string },
  values: ReturnType<typeof toWireValues>,
): FlushStep {
  const prepared = connection.prepare(writer, statement.text)
  writer.bind('', prepared.name, values)
  const isKnown = prepared.shape !== undefined && prepared.types === statement.types
  if (!isKnown) writer.describe()
  writer.executeAndSync()
  return {
    shape: isKnown ? prepared.shape : undefined,
    types: statement.types,
    rowMode: statement.rowMode ?? 'object',
    onShape: isKnown
      ? undefined
      : (shape) => {
          prepared.shape = shape
          prepared.types = statement.types
        },
    onOwnRow: undefined,
  }
}

export function aborted(signal: AbortSignal | undefined): AbortedError {
  return new AbortedError('The call was aborted by its signal.', { cause: signal?.reason })
}

/** What stands over one statement. */
export interface Guard {
  readonly isAborted: boolean
  end(): void
}

const watchEveryMs = 250

/** One statement, or one transaction, under watch. */
class Watched implements Guard {
  readonly connection: Connection
  readonly cutAt: number
  readonly reason: () => Error
  readonly isAborted = false
  readonly #watched: Set<Watched>

  constructor(watched: Set<Watched>, connection: Connection, cutAt: number, reason: () => Error) {
    this.#watched = watched
    this.connection = connection
    this.cutAt = cutAt
    this.reason = reason
    watched.add(this)
  }

  end(): void {
    this.#watched.delete(this)
  }
}

/**
 * Cuts connections whose statement outstays its timeout without the server saying so (a dead network, a frozen server), and
 * those whose caller aborts. One timer for all: the number under watch is bounded by the pool.
 */
export class Watchdog {
  readonly #clock: Clock
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  guard(connection: Connection, options: QueryOptions, limitMs: number): Guard {
    const { signal } = options
    const timeoutMs = Math.min(options.timeoutMs ?? limitMs, limitMs)
    const watch = this.watch(
      connection,
      this.#clock.monotonic() + timeoutMs + timeoutGraceMs,
      () =>
        new StatementTimeoutError(
          `The database did not answer within ${timeoutMs} ms, nor within the ${timeoutGraceMs} ms after. The connection was cut.`,
        ),
    )
    if (signal === undefined) return watch
    const abort = (): void => void connection.cancelAndDestroy(aborted(signal))
    signal.addEventListener('abort', abort, { once: true })
    return {
      isAborted: signal.aborted,
      end: () => {
        signal.removeEventListener('abort', abort)
        watch.end()
      },
    }
  }

  /** Cuts the connection at `cutAt` (monotonic), for the reason given, unless the watch has ended before. */
  watch(connection: Connection, cutAt: number, reason: () => Error): Guard {
    const watched = new Watched(this.#watched, connection, cutAt, reason)
    if (this.#timer === undefined) {
      // One timer for all: it must not keep the context of whoever came first.
      this.#timer = runOutside(() => setInterval(() => this.#look(), watchEveryMs))
      this.#timer.unref()
    }
    return watched
  }

  #look(): void {
    const now = this.#clock.monotonic()
    for (const watched of this.#watched) {
      if (watched.cutAt > now) continue
      watched.end()
      void watched.connection.cancelAndDestroy(watched.reason())
    }
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
