// Where the rows of audit logs come from: postgres/audit/log-reader.ts, or a file.

import type { Tenant } from '../core/tenant.ts'
import type { AuditRow } from './chain.ts'

/** One tenant's log as of one moment. */
export interface OpenLog {
  /** In order of position, in batches. Read once, to the end. @param from The first position. */
  rows(from?: bigint): AsyncIterable<readonly AuditRow[]>
}

export interface LogSource {
  /**
   * Runs `fn` with a snapshot of the log, wherever the tenant is.
   *
   * @returns what `fn` returns; undefined when the tenant's schema has no audit log.
   */
  read<T>(tenant: Tenant, fn: (log: OpenLog) => Promise<T>, options?: { readonly signal?: AbortSignal | undefined }): Promise<T | undefined>
  /** The last row: null for an empty log, undefined when the tenant's schema has none. */
  head(tenant: Tenant): Promise<AuditRow | null | undefined>
  /**
   * Removes rows up to a position, as far as they are older than `before`; never the last one.
   *
   * @returns how many.
   */
  prune(tenant: Tenant, upTo: bigint, before: Date): Promise<number>
}
