// What a tenancy is made with, and what it says of itself.

import type { Actor } from './core/actor.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import type { Clock } from './core/clock.ts'
import type { FairQueueStats } from './core/fair-queue.ts'
import type { FairQueueOptions } from './core/fair-queue-bounds.ts'
import type { TenancyObserver } from './core/observer.ts'
import type { Plan } from './core/plans.ts'
import type { SecretReader } from './core/secret-reader.ts'
import type { Trace } from './core/tenant-context.ts'
import type { ServedVersions } from './postgres/open-databases.ts'
import type { ReplicaBounds } from './postgres/replicas.ts'
import type { CacheStore } from './resources/cache/cache.ts'
import type { EventsOptions } from './resources/events/tenant-events.ts'
import type { FilesOptions } from './resources/files/files-options.ts'
import type { AuditOptions } from './tenant-audit.ts'
import type { UsageOptions } from './tenant-usage.ts'

export interface TenancyOptions {
  /** URL of the gatekeeper's login: it reads the catalog and issues capabilities. */
  readonly catalog: string
  /** URL of the app's login: it runs your SQL, behind the wall. */
  readonly database: string
  /** URL of the migrator's login. Only a process that creates, changes or suspends tenants needs it. */
  readonly admin?: string | undefined
  readonly pool?:
    | {
        /** Connections to one database that tenants share, at most. Default 10. */
        readonly connectionsMax?: number | undefined
        /** Connections to the database of one tenant's own, at most. Default 4. */
        readonly ownConnectionsMax?: number | undefined
        /** Connections of this process altogether, over all databases. The least recently used goes for the next. Default 50. */
        readonly totalConnectionsMax?: number | undefined
        /** Keep prepared statements on the server. Set false behind PgBouncer older than 1.21. Default true. */
        readonly prepare?: boolean | undefined
        /** Default 5,000. */
        readonly connectTimeoutMs?: number | undefined
        /** Default 300,000. */
        readonly idleTimeoutMs?: number | undefined
        /** Default 3,600,000. */
        readonly lifetimeMs?: number | undefined
      }
    | undefined
  /** Bounds of the fair queue before the pool. */
  readonly admission?: Omit<FairQueueOptions, 'slots' | 'clock'> | undefined
  /** The longest that a statement may run. At most, and by default, 30,000: the limit of the app's role. */
  readonly statementTimeoutMs?: number | undefined
  /**
   * How long a statement, or the first one of a transaction, waits for a tenant that is being switched from one place to another, in
   * milliseconds, before it fails with TenantMovingError: 0 to 60,000; default 5,000. Never longer than its own timeout.
   */
  readonly movingWaitMs?: number | undefined
  /** How long a capability lives: 1,000 to 3,600,000; default 300,000. */
  readonly capabilityTtlMs?: number | undefined
  /** How long a tenant is believed without asking the catalog again. Suspension does not depend on it. Default 10,000. */
  readonly tenantTtlMs?: number | undefined
  /** Where the passwords of other servers, and of tenants' own logins, are kept. Only tenants with such a placement need it. */
  readonly secrets?: SecretReader | undefined
  /** Which migrations this version of the application serves; a tenant outside of them is refused by name. Default: any. */
  readonly serves?: ServedVersions | undefined
  /** When replicas are read from; see `tenancy.replica()`. */
  readonly replicas?: ReplicaBounds | undefined
  /** What the plans mean, by name: weight, placement, features. */
  readonly plans?: Readonly<Record<string, Plan>> | undefined
  /** Where cached values are kept. Default: this process's memory. */
  readonly cache?: CacheStore | undefined
  /**
   * How files of tenants are kept; see `tenancy.files()`. Each tenant's schema needs their index: `select partywall.create_files();` in a
   * migration. Default: there are none.
   */
  readonly files?: FilesOptions | undefined
  /**
   * How events of tenants are named and sealed; see `tenancy.events()`. Each tenant's schema needs their tables:
   * `select partywall.create_events();` in a migration. Default: there are none.
   */
  readonly events?: EventsOptions | undefined
  /** Where refusals and dangerous acts are recorded. Default: the catalog's database. */
  readonly auditTrail?: AuditTrail | undefined
  /**
   * Records every access in the tenants' own audit logs: which statement, on whose behalf, how many rows, refused ones too. Default: nothing
   * is recorded. Each tenant's schema needs the log: `select partywall.create_audit_log();` in a migration.
   */
  readonly audit?: AuditOptions | undefined
  /** Told of what each tenant's work costs: for metrics and traces; see `partywall/prometheus` and `partywall/opentelemetry`. */
  readonly observers?: readonly TenancyObserver[] | undefined
  /** Writes down what each tenant uses, by the hour; see `tenancy.usage`. Default: nothing is. */
  readonly usage?: UsageOptions | undefined
  /** Shown in pg_stat_activity. Default `partywall`. */
  readonly applicationName?: string | undefined
  readonly clock?: Clock | undefined
}

/** On whose behalf `run` works. */
export interface RunOptions {
  readonly actor?: Actor | undefined
  readonly requestId?: string | undefined
  readonly trace?: Trace | undefined
}

/** How busy a tenancy is. */
export interface TenancyStats {
  /** Of all databases that are open in this process. */
  readonly queue: FairQueueStats
  readonly connections: { readonly open: number; readonly idle: number }
  /** Calls that wait for tenants which are being switched to another place; and those tenants, once for each place. */
  readonly moves: { readonly waiting: number; readonly tenants: number }
  readonly capabilities: number
  /** Databases that are open in this process, the catalog's own among them. */
  readonly databases: number
}
