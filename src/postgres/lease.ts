// The lease: a connection, bound to one tenant, for one statement or one transaction, and nothing else.
//
// The capability is bound by the flush that carries the statement:
//
//   Bind(set_config, capability) Execute  Bind(statement) Describe? Execute  Sync        one socket write, one round trip
//
// The check is in the policies, where it cannot be skipped; here is only the binding. The end of the (implicit) transaction
// forgets it. The same step reports what was bound before: anything but nothing costs the connection its life.
//
// Where a tenant has tables of its own, the same step sets the search path to exactly its schema. Where it has a database of
// its own, the connection belongs to the tenant's login and serves nobody else: it is bound once, for as long as the capability
// lives, and the flush is the statement alone.

import pg from 'pg'
import type { Clock } from '../core/clock.ts'
import type { Slot } from '../core/slot.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { runOutside, type TenantContext } from '../core/tenant-context.ts'
import {
  AbortedError,
  CapabilityRefusedError,
  NoTenantError,
  StatementRefusedError,
  StatementTimeoutError,
  TenantMovingError,
} from '../errors.ts'
import type { Capability } from './capabilities.ts'
import { type Connection, isStalePlan } from './connection.ts'
import { type FailureSituation, translate } from './database-errors.ts'
import { type Flush, type FlushStep, ownStep } from './flush.ts'
import type { QueryResult, TypeParsers } from './result.ts'
import { classify } from './statement.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'
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
  readonly databases: TenantDatabases
  readonly clock: Clock
  /** Weight of a tenant in the queue, by its plan. Default: 1 for all. */
  readonly weight?: ((context: TenantContext) => number) | undefined
  /** How long a call may wait for a slot, in milliseconds. Default: the queue's own. */
  readonly admissionDeadlineMs?: number | undefined
  /** The longest that a statement may run, in milliseconds; default 30,000, the limit of the app's role. */
  readonly statementTimeoutMs?: number | undefined
  /** Every statement runs in a read-only transaction: what writes is refused by the database, wherever it runs. Default false. */
  readonly isReadOnly?: boolean | undefined
  /** Told when the database refuses a tenant that a cache believed active. */
  readonly onRefused?: ((tenantId: TenantId) => void) | undefined
}

/** A connection with its slot, held by a transaction. */
export interface HeldConnection {
  readonly database: TenantDatabase
  readonly connection: Connection
  readonly slot: Slot
}

/** Time that the server has to report its own timeout, before the connection is cut. */
export const timeoutGraceMs = 5_000

type WireValues = ReturnType<typeof toWireValues>

const previousAndBind = `select current_setting('partywall.capability', true), set_config('partywall.capability', $1, true)`
const previousAndBindSchema = `${previousAndBind}, set_config('search_path', $2, true)`
const previousAndBindSchemaWithTimeout = `${previousAndBindSchema}, set_config('statement_timeout', $3, true)`
/** For the session: only where the login itself is one tenant's own. */
const bindOwn = `select set_config('partywall.capability', $1, false)`
const previousAndBindWithTimeout = `${previousAndBind}, set_config('statement_timeout', $2, true)`
/** After this statement has taken its snapshot, PostgreSQL lets nobody make the transaction writable again. */
const readOnly = `set_config('transaction_read_only', 'on', true)`

export class Leases {
  readonly databases: TenantDatabases
  readonly clock: Clock
  readonly statementTimeoutMs: number
  readonly #weight: (context: TenantContext) => number
  readonly #admissionDeadlineMs: number | undefined
  readonly #isReadOnly: boolean
  readonly #onRefused: (tenantId: TenantId) => void
  readonly watchdog: Watchdog

  constructor(options: LeasesOptions) {
    this.databases = options.databases
    this.clock = options.clock
    this.statementTimeoutMs = options.statementTimeoutMs ?? 30_000
    this.#weight = options.weight ?? (() => 1)
    this.#admissionDeadlineMs = options.admissionDeadlineMs
    this.#isReadOnly = options.isReadOnly ?? false
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
    const { tenant } = context
    const database = this.databases.tryGet(tenant) ?? (await this.databases.get(tenant))
    try {
      return await this.#once<Row>(database, context, tenant, statement, values)
    } catch (error) {
      const again = await this.worthAnother(error, tenant, database)
      if (again === undefined) throw error
      return await this.#once<Row>(await this.databaseOf(again), context, again, statement, values)
    }
  }

  /** A connection and its slot, when it is this tenant's turn. The caller gives both back through `release`. */
  async hold(database: TenantDatabase, context: TenantContext, signal?: AbortSignal): Promise<HeldConnection> {
    const { queue, pool } = database
    const slot = queue.tryAcquire(context.tenant.id, this.#weight(context)) ?? (await this.#wait(database, context, signal))
    try {
      return { database, slot, connection: pool.takeIdle() ?? (await pool.take(signal)) }
    } catch (error) {
      slot.release()
      throw error
    }
  }

  release({ database, connection, slot }: HeldConnection): void {
    database.pool.give(connection)
    slot.release()
  }

  /** The database in which the tenant's rows are. @throws as {@link TenantDatabases.get}. */
  async databaseOf(tenant: Tenant): Promise<TenantDatabase> {
    return this.databases.tryGet(tenant) ?? (await this.databases.get(tenant))
  }

  /**
   * Is the failure one that a new capability, a new plan or a new place cures, and one before which nothing happened?
   *
   * @returns the tenant with which to try once more, or undefined. Another object than `tenant` when it is in another place.
   */
  async worthAnother(error: unknown, tenant: Tenant, failed: TenantDatabase | undefined): Promise<Tenant | undefined> {
    if (failed !== undefined && this.databases.tryElsewhere?.(error, tenant, failed) === true) return Object.freeze({ ...tenant })
    if (error instanceof CapabilityRefusedError || isStalePlan(error)) return tenant
    this.noteRefusal(error, tenant.id)
    if (!(error instanceof TenantMovingError)) return undefined
    const now = await this.databases.locate(tenant)
    return now !== undefined && now.placement.database !== tenant.placement.database ? now : undefined
  }

  /** Tells the cache when the database knows better. */
  noteRefusal(error: unknown, tenantId: TenantId): void {
    const code = (error as { code?: unknown } | undefined)?.code
    if (code === 'PW_TENANT_SUSPENDED' || code === 'PW_TENANT_MOVING' || code === 'PW_TENANT_READ_ONLY') this.#onRefused(tenantId)
  }

  async #once<Row>(
    database: TenantDatabase,
    context: TenantContext,
    tenant: Tenant,
    statement: Statement,
    values: WireValues,
  ): Promise<QueryResult<Row>> {
    const { capabilities } = database
    const capability = capabilities.tryGet(tenant.id) ?? (await capabilities.get(tenant.id))
    return await this.#send<Row>(await this.hold(database, context, statement.signal), tenant, capability, statement, values)
  }

  #wait(database: TenantDatabase, context: TenantContext, signal: AbortSignal | undefined): Promise<Slot> {
    return database.queue.acquire(context.tenant.id, {
      weight: this.#weight(context),
      deadlineMs: this.#admissionDeadlineMs,
      signal,
    })
  }

  /** Bind and statement in one flush; the connection goes back before the caller is told. */
  #send<Row>(
    held: HeldConnection,
    tenant: Tenant,
    capability: Capability,
    statement: Statement,
    values: WireValues,
  ): Promise<QueryResult<Row>> {
    const { connection } = held
    const place: Place = { database: held.database, schema: tenant.placement.schema }
    return new Promise<QueryResult<Row>>((resolve, reject) => {
      const finish = (error: Error | undefined, flush: Flush | undefined): void => {
        guard.end()
        this.release(held)
        if (error === undefined) resolve(flush!.result as unknown as QueryResult<Row>)
        else reject(this.#explain(error, statement, capability, held))
      }
      const guard = this.watchdog.guard(connection, statement, this.statementTimeoutMs)
      if (guard.isAborted) {
        guard.end()
        this.release(held)
        reject(aborted(statement.signal))
        return
      }
      this.enter(place, connection, capability)
      connection.send((writer) => {
        const bind = this.writeBind(writer, connection, place, capability, statement.timeoutMs)
        const run = writeStatement(writer, connection, place, statement, values)
        return bind === undefined ? [run] : [bind, run]
      }, finish)
    })
  }

  /**
   * Binds a connection of a tenant's own login, once for each capability: the flush goes before the next one on this connection.
   * On a connection that others share it does nothing.
   */
  enter({ database }: Place, connection: Connection, capability: Capability): void {
    if (!isBoundForSession(database, connection) || connection.enteredWith === capability) return
    connection.enteredWith = capability
    connection.send(
      (writer) => {
        const name = connection.prepareFixed(writer, 'pw_bind_own', bindOwn)
        writer.raw(bindAndExecute(name, [capability.handle]))
        writer.sync()
        return [ownStep]
      },
      (error) => {
        // Then nothing is bound, and the statement behind it is refused by the database.
        if (error !== undefined) connection.enteredWith = undefined
      },
    )
  }

  /** Writes the step that binds the capability and the schema, and for this statement alone its timeout; undefined for none. */
  writeBind(
    writer: FlushWriter,
    connection: Connection,
    { database, schema }: Place,
    capability: Capability,
    timeoutMs: number | undefined,
  ): FlushStep | undefined {
    if (this.#isReadOnly) return this.#writeReadOnlyBind(writer, connection, { database, schema }, capability, timeoutMs)
    if (isBoundForSession(database, connection)) {
      return timeoutMs === undefined ? undefined : this.writeTimeout(writer, connection, timeoutMs)
    }
    const { handle } = capability
    if (database.holds === 'schema') {
      const path = searchPathOf(schema)
      connection.expectSearchPath(path)
      if (timeoutMs === undefined) {
        const name = connection.prepareFixed(writer, 'pw_bind_schema', previousAndBindSchema)
        writer.raw(boundMessage(capability, name, [handle, path]))
      } else {
        const name = connection.prepareFixed(writer, 'pw_bind_schema_timeout', previousAndBindSchemaWithTimeout)
        writer.raw(bindAndExecute(name, [handle, path, this.#limit(timeoutMs)]))
      }
    } else if (timeoutMs === undefined) {
      const name = connection.prepareFixed(writer, 'pw_bind', previousAndBind)
      writer.raw(boundMessage(capability, name, [handle]))
    } else {
      const name = connection.prepareFixed(writer, 'pw_bind_timeout', previousAndBindWithTimeout)
      writer.raw(bindAndExecute(name, [handle, this.#limit(timeoutMs)]))
    }
    return connection.emptySessionStep
  }

  /** As writeBind, and nothing can be written from here to the end of the transaction: not even where a primary stands in. */
  #writeReadOnlyBind(
    writer: FlushWriter,
    connection: Connection,
    { database, schema }: Place,
    { handle }: Capability,
    timeoutMs = this.statementTimeoutMs,
  ): FlushStep {
    const limit = this.#limit(timeoutMs)
    if (isBoundForSession(database, connection)) {
      const name = connection.prepareFixed(writer, 'pw_read_only', `select ${readOnly}, set_config('statement_timeout', $1, true)`)
      writer.raw(bindAndExecute(name, [limit]))
      return ownStep
    }
    if (database.holds === 'schema') {
      const path = searchPathOf(schema)
      connection.expectSearchPath(path)
      const name = connection.prepareFixed(writer, 'pw_bind_schema_read_only', `${previousAndBindSchemaWithTimeout}, ${readOnly}`)
      writer.raw(bindAndExecute(name, [handle, path, limit]))
    } else {
      const name = connection.prepareFixed(writer, 'pw_bind_read_only', `${previousAndBindWithTimeout}, ${readOnly}`)
      writer.raw(bindAndExecute(name, [handle, limit]))
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

  #explain(error: Error, statement: Statement, capability: Capability, { database, connection }: HeldConnection): unknown {
    const explained = explainIn(database, error, connection, { mayHaveWritten: !classify(statement.text).isReadOnly })
    if (explained instanceof CapabilityRefusedError) this.forgetCapability(database, connection, capability)
    return explained
  }

  /** What the database refused is not bound again. */
  forgetCapability(database: TenantDatabase, connection: Connection, capability: Capability): void {
    database.capabilities.forget(capability)
    connection.enteredWith = undefined
  }
}

/** Where a statement runs. */
export interface Place {
  readonly database: TenantDatabase
  readonly schema: string
}

/** The message that binds a capability, kept with it: one tenant's is the same at every call. */
function boundMessage(capability: Capability, name: string, values: readonly string[]): Buffer {
  if (name === '') return bindAndExecute('', values)
  capability.bindMessage ??= bindAndExecute(name, values)
  return capability.bindMessage
}

/** A pooler may give the session to another connection of ours: there the binding is the transaction's, as everywhere else. */
function isBoundForSession(database: TenantDatabase, connection: Connection): boolean {
  return database.holds === 'tenant' && connection.keepsStatements
}

/** Exactly the tenant's schema: what is not there is not found anywhere else. The name needs no quotes (core/placement.ts). */
function searchPathOf(schema: string): string {
  return `${schema}, pg_temp`
}

/** As `explainFailure`, for a statement that was bound: nobody's session is one that something took the capability out of. */
export function explainIn(database: TenantDatabase, error: Error, connection: Connection, situation: FailureSituation): unknown {
  const explained = explainFailure(error, connection, situation)
  if (!(explained instanceof NoTenantError) || !isBoundForSession(database, connection)) return explained
  return new CapabilityRefusedError('The session of the tenant’s own login had lost its capability.', { cause: error })
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
  place: Place,
  statement: QueryOptions & { readonly text: string },
  values: ReturnType<typeof toWireValues>,
): FlushStep {
  const prepared = connection.prepare(writer, statement.text, place.schema)
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
