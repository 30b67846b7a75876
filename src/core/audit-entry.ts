// An entry of a tenant's audit log: one access. What the log stores is a batch of them (audit-batch.ts); this is what one reads.

import type { Actor } from './actor.ts'
import type { Json } from './tenant.ts'

/**
 * What became of it. `begun`: recorded before it was sent, because it had to be; how it ended is an entry of its own. `rolled_back`: the
 * end of a transaction that left no change. `refused`: partywall, or the database by its policies and privileges. `failed`: by an
 * error. `unknown`: the connection was lost before the database had answered.
 */
export type AuditOutcome = 'begun' | 'done' | 'rolled_back' | 'refused' | 'failed' | 'unknown'

export const auditOutcomes = ['begun', 'done', 'rolled_back', 'refused', 'failed', 'unknown'] as const satisfies readonly AuditOutcome[]

/** Who, and from where. The same for all that happens in one request. */
export interface AuditContext {
  /** `unknown`: of a change that a trigger recorded, in a transaction that no process had sealed. Somebody used the login past partywall. */
  readonly actor: Actor | { readonly kind: 'unknown'; readonly id: string }
  /** The grant by which a member of the staff was let in (break-glass). */
  readonly grant?: string | undefined
  readonly requestId?: string | undefined
  /** W3C `traceparent`. */
  readonly trace?: string | undefined
  /** As `GET /orders/{id}`. */
  readonly route?: string | undefined
  /** The address of the client, as the application's proxy settings tell it. */
  readonly from?: string | undefined
}

/** What was asked for, without what stood in it. */
export interface AuditedStatement {
  /** As `select`, `insert`, `commit`; or an act of the application's own, as `file.download`. */
  readonly operation: string
  /** Tables that it names, without a schema where it has none; sorted. */
  readonly tables?: readonly string[] | undefined
  /** The fingerprint of its text: equal for statements that differ in values alone. */
  readonly statement?: string | undefined
}

/** One access of a tenant's data. */
export interface AuditEntry extends AuditContext, AuditedStatement {
  /** Of the batch in the log, and its place in it: `<position>/<index>`. */
  readonly name: string
  /** ISO 8601, with milliseconds. */
  readonly at: string
  readonly outcome: AuditOutcome
  /** Rows that were returned or changed. */
  readonly rows?: number | undefined
  /** SHA-256 over the tenant's id and the values that were given, 16 hexadecimal digits: equal for equal values of one tenant. */
  readonly keys?: string | undefined
  /** A number of the transaction within its process, where it was in one. */
  readonly transaction?: string | undefined
  /** The code of the error: `PW_…`, or an SQLSTATE. */
  readonly error?: string | undefined
  /** Of a change that a trigger recorded. */
  readonly change?: AuditedChange | undefined
  readonly details?: Readonly<Record<string, Json>> | undefined
}

/** A row before and after. Columns may be left out, or be there by their hash. */
export interface AuditedChange {
  readonly table: string
  readonly key: Readonly<Record<string, Json>>
  readonly before?: Readonly<Record<string, Json>> | undefined
  readonly after?: Readonly<Record<string, Json>> | undefined
}
