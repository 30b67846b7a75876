// The lease: a connection, bound to one tenant, for one statement or one transaction, and nothing else.
//
// The capability is bound by the flush that carries the statement:
//
//   Bind(set_config, capability) Execute  Bind(statement) Describe? Execute  Sync        one socket write, one round trip
//
// What binds is in binding.ts, what ends a statement early in watchdog.ts.

import pg from 'pg'
import type { Clock } from '../core/clock.ts'
import type { GrantUse } from '../core/grant-use.ts'
import type { TenancyObserver } from '../core/observer.ts'
import type { Slot } from '../core/slot.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { CapabilityRefusedError, NoTenantError, StatementRefusedError } from '../errors.ts'
import { Binding, isBoundForSession, type Place } from './binding.ts'
import type { Capability } from './capabilities.ts'
import type { Connection } from './connection.ts'
import { type FailureSituation, translate } from './database-errors.ts'
import type { Flush, FlushStep } from './flush.ts'
import type { MoveWait } from './move-wait.ts'
import type { QueryResult, TypeParsers } from './result.ts'
import { classify } from './statement.ts'
import type { StatementAudit } from './statement-audit.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'
import { Tries } from './tries.ts'
import { aborted, Watchdog } from './watchdog.ts'
import { type FlushWriter, toWireValues } from './wire.ts'

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
  /** Shared by all leases of the process. */
  readonly moveWait: MoveWait
  /** Weight of a tenant in the queue, by its plan. Default: 1 for all. */
  readonly weight?: ((context: TenantContext) => number) | undefined
  /** How long a call may wait for a slot, in milliseconds. Default: the queue's own. */
  readonly admissionDeadlineMs?: number | undefined
  /** The longest that a statement may run, in milliseconds; default 30,000, the limit of the app's role. */
  readonly statementTimeoutMs?: number | undefined
  /** Every statement runs in a read-only transaction: what writes is refused by the database, wherever it runs. Default false. */
  readonly isReadOnly?: boolean | undefined
  /** Told of every statement, and asked before each whether it may be sent. Default: nobody. */
  readonly audit?: StatementAudit | undefined
  /** Told what each hold of a connection cost. Default: nobody, and nothing is measured. */
  readonly observer?: Pick<Required<TenancyObserver>, 'onLease'> | undefined
  /** Told when the database refuses a tenant that a cache believed active. */
  readonly onRefused?: ((tenantId: TenantId) => void) | undefined
}

/** A connection with its slot, held by a transaction. */
export interface HeldConnection {
  readonly database: TenantDatabase
  readonly connection: Connection
  readonly slot: Slot
  /** Who holds it, since when, and how long it was waited for, in milliseconds, where somebody is told. */
  readonly use?: { readonly context: TenantContext; readonly since: number; readonly waitMs: number } | undefined
}

type WireValues = ReturnType<typeof toWireValues>

export class Leases {
  readonly databases: TenantDatabases
  readonly clock: Clock
  readonly statementTimeoutMs: number
  readonly #weight: (context: TenantContext) => number
  readonly #admissionDeadlineMs: number | undefined
  readonly moveWait: MoveWait
  readonly audit: StatementAudit | undefined
  readonly #observer: Pick<Required<TenancyObserver>, 'onLease'> | undefined
  readonly #onRefused: (tenantId: TenantId) => void
  readonly #binding: Binding
  readonly #grantBindings: { readonly read_only: Binding; readonly read_write: Binding }
  readonly watchdog: Watchdog

  constructor(options: LeasesOptions) {
    this.databases = options.databases
    this.clock = options.clock
    this.statementTimeoutMs = options.statementTimeoutMs ?? 30_000
    this.#weight = options.weight ?? (() => 1)
    this.moveWait = options.moveWait
    this.#admissionDeadlineMs = options.admissionDeadlineMs
    this.audit = options.audit
    this.#observer = options.observer
    this.#onRefused = options.onRefused ?? (() => {})
    const { isReadOnly = false } = options
    const { statementTimeoutMs } = this
    this.#binding = new Binding({ isReadOnly, statementTimeoutMs })
    this.#grantBindings = {
      read_only: new Binding({ isReadOnly: true, isByGrant: true, statementTimeoutMs }),
      read_write: new Binding({ isReadOnly, isByGrant: true, statementTimeoutMs }),
    }
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
    const { audit } = this
    if (audit === undefined) return await this.#query<Row>(context, statement)
    try {
      const first = audit.begin(context, statement)
      if (first !== undefined) await first
      const result = await this.#query<Row>(context, statement)
      audit.done(context, statement, result.rowCount)
      return result
    } catch (error) {
      audit.failed(context, statement, error)
      throw error
    }
  }

  async #query<Row>(context: TenantContext, statement: Statement): Promise<QueryResult<Row>> {
    const { kind } = classify(statement.text)
    if (kind !== 'query') {
      throw new StatementRefusedError(
        `${kind.toUpperCase()} by itself is refused: use tenancy.transaction(fn), or a client of tenancy.pool().`,
      )
    }
    const values = toWireValues(statement.values ?? [])
    // The record is there before anything of the tenant's is.
    await context.grant?.record(statement.text)
    let tenant = this.moveWait.newest(context.tenant)
    let tries: Tries | undefined
    for (;;) {
      let database: TenantDatabase | undefined
      try {
        database = this.databases.tryGet(tenant) ?? (await this.databases.get(tenant))
        return await this.#once<Row>(database, context, tenant, statement, values)
      } catch (error) {
        tries ??= this.tries(tenant.id, statement)
        const cure = tries.cureOf(error, tenant, database)
        if (cure === undefined) throw error
        tenant = await tries.next(cure, error, tenant)
      }
    }
  }

  /** A connection and its slot, when it is this tenant's turn. The caller gives both back through `release`. */
  async hold(database: TenantDatabase, context: TenantContext, signal?: AbortSignal): Promise<HeldConnection> {
    const { queue, pool } = database
    const { clock } = this
    const askedAt = this.#observer && clock.monotonic()
    const slot = queue.tryAcquire(context.tenant.id, this.#weight(context)) ?? (await this.#wait(database, context, signal))
    try {
      const connection = pool.takeIdle() ?? (await pool.take(signal))
      if (askedAt === undefined) return { database, slot, connection }
      connection.beginUse()
      const since = clock.monotonic()
      return { database, slot, connection, use: { context, since, waitMs: since - askedAt } }
    } catch (error) {
      slot.release()
      throw error
    }
  }

  release({ database, connection, slot, use }: HeldConnection): void {
    if (use !== undefined) {
      const { context, since, waitMs } = use
      this.#observer?.onLease({ context, waitMs, heldMs: this.clock.monotonic() - since, ...connection.use })
    }
    database.pool.give(connection)
    slot.release()
  }

  /** The database in which the tenant's rows are. @throws as {@link TenantDatabases.get}. */
  async databaseOf(tenant: Tenant): Promise<TenantDatabase> {
    return this.databases.tryGet(tenant) ?? (await this.databases.get(tenant))
  }

  /** A capability of its own, from where the tenant is. Waits as a statement does while it is being switched. */
  async issueCapability(found: Tenant, ttlMs: number): Promise<Capability> {
    const tries = this.tries(found.id, {})
    for (let tenant = this.moveWait.newest(found); ; ) {
      let database: TenantDatabase | undefined
      try {
        database = await this.databaseOf(tenant)
        return await database.capabilities.issue(tenant.id, ttlMs)
      } catch (error) {
        const cure = tries.cureOf(error, tenant, database)
        if (cure === undefined) throw error
        tenant = await tries.next(cure, error, tenant)
      }
    }
  }

  /** What decides, after a failure, whether to try again. */
  tries(tenantId: TenantId, { signal, timeoutMs }: Pick<QueryOptions, 'signal' | 'timeoutMs'>): Tries {
    const onFailure = (error: unknown): void => this.noteRefusal(error, tenantId)
    return new Tries({ databases: this.databases, moveWait: this.moveWait, onFailure, signal, timeoutMs })
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
    const capability =
      context.grant === undefined
        ? (capabilities.tryGet(tenant.id) ?? (await capabilities.get(tenant.id)))
        : await this.grantedCapability(database, context.grant)
    const held = await this.hold(database, context, statement.signal)
    return await this.#send<Row>(held, context, tenant, capability, statement, values)
  }

  /** What binds for this context: whoever is let in by a grant is bound so that the grant is all they have. */
  bindingOf({ grant }: TenantContext): Binding {
    if (grant === undefined) return this.#binding
    return grant.isReadOnly ? this.#grantBindings.read_only : this.#grantBindings.read_write
  }

  /** A capability of the grant, looked at again: one that was revoked a moment ago gets none. */
  async grantedCapability({ capabilities }: TenantDatabase, grant: GrantUse, ttlMs?: number): Promise<Capability> {
    await grant.assertUsable()
    return await capabilities.forGrant(grant, ttlMs)
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
    context: TenantContext,
    tenant: Tenant,
    capability: Capability,
    statement: Statement,
    values: WireValues,
  ): Promise<QueryResult<Row>> {
    const { connection } = held
    const binding = this.bindingOf(context)
    const place: Place = { database: held.database, schema: tenant.placement.schema }
    return new Promise<QueryResult<Row>>((resolve, reject) => {
      const finish = (error: Error | undefined, flush: Flush | undefined): void => {
        guard.end()
        this.release(held)
        if (error === undefined) resolve(flush!.result as unknown as QueryResult<Row>)
        else reject(this.#explain(error, flush, statement, capability, held))
      }
      const guard = this.watchdog.guard(connection, statement, this.statementTimeoutMs)
      if (guard.isAborted) {
        guard.end()
        this.release(held)
        reject(aborted(statement.signal))
        return
      }
      binding.enter(place, connection, capability)
      connection.send((writer) => {
        const { timeoutMs } = statement
        const mayWrite = !classify(statement.text).isReadOnly
        const steps = binding.writeSteps(writer, connection, place, capability, { context, mayWrite, timeoutMs })
        steps.push(writeStatement(writer, connection, place, statement, values))
        return steps
      }, finish)
    })
  }

  #explain(
    error: Error,
    flush: Flush | undefined,
    { text }: Statement,
    capability: Capability,
    { database, connection }: HeldConnection,
  ): unknown {
    const mayHaveWritten = !classify(text).isReadOnly && !wasEndedBefore(error, flush)
    const explained = explainIn(database, error, connection, { mayHaveWritten })
    if (explained instanceof CapabilityRefusedError) this.forgetCapability(database, connection, capability)
    return explained
  }

  /** What the database refused is not bound again. */
  forgetCapability(database: TenantDatabase, connection: Connection, capability: Capability): void {
    database.capabilities.forget(capability)
    connection.enteredWith = undefined
  }
}

/**
 * Was the session ended before the statement was sent, or before it was complete? The implicit transaction is committed after that, so
 * then it was not: no statement that may run here commits by itself.
 */
function wasEndedBefore(error: Error, flush: Flush | undefined): boolean {
  if (flush === undefined) return true
  return error instanceof pg.DatabaseError && error.code === '57P01' && flush.result === undefined
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
