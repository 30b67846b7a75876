// One database that holds tenants, as this process reaches it: its pool, the line before the pool, and the capabilities that its
// gates gave out. A process has one of these for every database in use.

import type { FairQueue } from '../core/fair-queue.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import type { Capabilities } from './capabilities.ts'
import type { ConnectionPool } from './pool.ts'

export interface TenantDatabase {
  /** Its name in the catalog. */
  readonly name: string
  /** Many tenants in shared tables, many in schemas of their own, or one tenant alone. */
  readonly holds: 'pooled' | 'schema' | 'tenant'
  readonly pool: ConnectionPool
  readonly queue: FairQueue
  readonly capabilities: CapabilitySource
  /** Where what is recorded of its tenants is written; none at a replica. */
  readonly audit?: AuditSink | undefined
}

/** Appends to the audit logs of a database's tenants (postgres/sql/wall/0014-audit.sql). */
export interface AuditSink {
  /** @param isRetry Some of them may be there already. */
  append(tenantIds: readonly TenantId[], payloads: readonly string[], isRetry: boolean): Promise<readonly AuditAppended[]>
}

/** What became of one tenant's. */
export interface AuditAppended {
  readonly tenant_id: TenantId
  readonly outcome: 'appended' | 'moving' | 'no_log' | 'unknown'
}

/** Where capabilities come from: those of the database itself, or a replica's, which come from its primary. */
export type CapabilitySource = Pick<Capabilities, keyof Capabilities>

/** Finds the database in which a tenant's rows are. */
export interface TenantDatabases {
  /** The catalog's own, which is always open. */
  readonly main: TenantDatabase
  /** All that are open: the catalog's own, and others. */
  all(): readonly TenantDatabase[]
  /** The tenant's, if it is open already. */
  tryGet(tenant: Tenant): TenantDatabase | undefined
  /**
   * The tenant's, opened if need be. Opening it connects nowhere.
   *
   * @throws {TenantVersionError} when its migrations are outside of what this application serves.
   * @throws {DatabaseUnavailableError} when the catalog or the secret store cannot tell where it is.
   */
  get(tenant: Tenant): Promise<TenantDatabase>
  /** The tenant as the catalog has it now: it was found where it is not any more. */
  locate(tenant: Tenant): Promise<Tenant | undefined>
  /**
   * Gives up a fence of the tenant that is past its deadline, in the catalog: a switch that was under way cannot be committed any more.
   *
   * @returns the number of the last fence that was given up; undefined while one may still be committed, or has been.
   */
  expireFence(tenantId: TenantId): Promise<string | undefined>
  /**
   * Told of a failure: may the same be tried once more, because the tenant's rows are in another place as well? From here on
   * the tenant's is the other place, for a while. Without it there is no other.
   */
  tryElsewhere?(error: unknown, tenant: Tenant, failed: TenantDatabase): boolean
}
