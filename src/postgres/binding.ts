// The binding: how a connection learns for whom it works, in the same flush as the statement.
//
// The check is in the policies, where it cannot be skipped; here is only the binding. The end of the (implicit) transaction
// forgets it. The same step reports what was bound before: anything but nothing costs the connection its life.
//
// Where a tenant has tables of its own, the same step sets the search path to exactly its schema. Where it has a database of
// its own, the connection belongs to the tenant's login and serves nobody else: it is bound once, for as long as the capability
// lives, and the flush is the statement alone.

import type { TenantContext } from '../core/tenant-context.ts'
import { sealActor } from './actor-seal.ts'
import type { Capability } from './capabilities.ts'
import type { Connection } from './connection.ts'
import { type FlushStep, ownStep } from './flush.ts'
import type { TenantDatabase } from './tenant-database.ts'
import { bindAndExecute, type FlushWriter } from './wire.ts'

/** Where a statement runs. */
export interface Place {
  readonly database: TenantDatabase
  readonly schema: string
}

const previousAndBind = `select current_setting('partywall.capability', true), set_config('partywall.capability', $1, true)`
const previousAndBindSchema = `${previousAndBind}, set_config('search_path', $2, true)`
const previousAndBindSchemaWithTimeout = `${previousAndBindSchema}, set_config('statement_timeout', $3, true)`
/** For the session: only where the login itself is one tenant's own. */
const bindOwn = `select set_config('partywall.capability', $1, false)`
const previousAndBindWithTimeout = `${previousAndBind}, set_config('statement_timeout', $2, true)`
/** After this statement has taken its snapshot, PostgreSQL lets nobody make the transaction writable again. */
const readOnly = `set_config('transaction_read_only', 'on', true)`
/** Says to partywall.is_break_glass() that it is one, until the end of the transaction: no statement gives such a lock back. */
const byGrant = 'pg_advisory_xact_lock_shared(1885434484, 2037866860)'

/** For whom and what. */
export interface BoundFor {
  readonly context: TenantContext
  readonly mayWrite?: boolean | undefined
  readonly timeoutMs: number | undefined
  /** Its name in the audit log. */
  readonly transaction?: string | undefined
}

/** What a binding says besides for whom. */
export interface BindingOptions {
  /** With the binding nothing can be written from there to the end of the transaction. */
  readonly isReadOnly: boolean
  /** It is for a member of the staff who is let in by a grant: no other capability is issued in that transaction. Default false. */
  readonly isByGrant?: boolean | undefined
  readonly statementTimeoutMs: number
}

/** Writes what binds. */
export class Binding {
  /** What stands behind the binding, as SQL, and what its statements are called for it; undefined for the usual one. */
  readonly #guard: { readonly sql: string; readonly suffix: string } | undefined
  readonly #statementTimeoutMs: number

  constructor(options: BindingOptions) {
    const { isReadOnly, isByGrant = false } = options
    if (isReadOnly && isByGrant) this.#guard = { sql: `${readOnly}, ${byGrant}`, suffix: 'read_only_grant' }
    else if (isReadOnly) this.#guard = { sql: readOnly, suffix: 'read_only' }
    else if (isByGrant) this.#guard = { sql: byGrant, suffix: 'grant' }
    this.#statementTimeoutMs = options.statementTimeoutMs
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
    if (this.#guard !== undefined)
      return this.#writeGuardedBind(writer, connection, { database, schema }, capability, this.#guard, timeoutMs)
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

  /** As writeBind, and from here to the end of the transaction what the guard says: not even where a primary stands in is anything written. */
  #writeGuardedBind(
    writer: FlushWriter,
    connection: Connection,
    { database, schema }: Place,
    { handle }: Capability,
    guard: { readonly sql: string; readonly suffix: string },
    timeoutMs = this.#statementTimeoutMs,
  ): FlushStep {
    const limit = this.#limit(timeoutMs)
    if (isBoundForSession(database, connection)) {
      const name = connection.prepareFixed(writer, `pw_${guard.suffix}`, `select ${guard.sql}, set_config('statement_timeout', $1, true)`)
      writer.raw(bindAndExecute(name, [limit]))
      return ownStep
    }
    if (database.holds === 'schema') {
      const path = searchPathOf(schema)
      connection.expectSearchPath(path)
      const name = connection.prepareFixed(writer, `pw_bind_schema_${guard.suffix}`, `${previousAndBindSchemaWithTimeout}, ${guard.sql}`)
      writer.raw(bindAndExecute(name, [handle, path, limit]))
    } else {
      const name = connection.prepareFixed(writer, `pw_bind_${guard.suffix}`, `${previousAndBindWithTimeout}, ${guard.sql}`)
      writer.raw(bindAndExecute(name, [handle, limit]))
    }
    return connection.emptySessionStep
  }

  /**
   * As writeBind; and where changes of a table are recorded, and this may be one, who acts, until the end of the transaction.
   *
   * @param mayWrite Nobody asks who it was that read.
   */
  writeSteps(
    writer: FlushWriter,
    connection: Connection,
    place: Place,
    capability: Capability,
    { context, mayWrite = true, timeoutMs, transaction }: BoundFor,
  ): FlushStep[] {
    const bind = this.writeBind(writer, connection, place, capability, timeoutMs)
    const sealed = mayWrite ? sealActor(capability, context, transaction) : undefined
    if (sealed === undefined) return bind === undefined ? [] : [bind]
    const name = connection.prepareFixed(writer, 'pw_actor', `select set_config('partywall.actor', $1, true)`)
    writer.raw(bindAndExecute(name, [sealed]))
    return bind === undefined ? [ownStep] : [bind, ownStep]
  }

  /** Inside a transaction: the timeout of the statements from here on; undefined for the limit of the role. */
  writeTimeout(writer: FlushWriter, connection: Connection, timeoutMs = this.#statementTimeoutMs): FlushStep {
    const name = connection.prepareFixed(writer, 'pw_timeout', `select set_config('statement_timeout', $1, true)`)
    writer.raw(bindAndExecute(name, [this.#limit(timeoutMs)]))
    return ownStep
  }

  /** Milliseconds, as text; at least 1 (0 would mean none), at most the role's own limit. */
  #limit(timeoutMs: number): string {
    return String(Math.max(1, Math.min(Math.ceil(timeoutMs), this.#statementTimeoutMs)))
  }
}

/**
 * The message that binds a capability, kept with it: one tenant's is the same at every call, until the tenant was moved away and comes
 * back to this database with another schema.
 */
function boundMessage(capability: Capability, name: string, values: readonly string[]): Buffer {
  if (name === '') return bindAndExecute('', values)
  // The handle is what the capability is known by; what may change is the path behind it.
  const path = values[1]
  if (capability.bindMessage === undefined || capability.bindPath !== path) {
    capability.bindMessage = bindAndExecute(name, values)
    capability.bindPath = path
  }
  return capability.bindMessage
}

/** A pooler may give the session to another connection of ours: there the binding is the transaction's, as everywhere else. */
export function isBoundForSession(database: TenantDatabase, connection: Connection): boolean {
  return database.holds === 'tenant' && connection.keepsStatements
}

/** Exactly the tenant's schema: what is not there is not found anywhere else. The name needs no quotes (core/placement.ts). */
function searchPathOf(schema: string): string {
  return `${schema}, pg_temp`
}
