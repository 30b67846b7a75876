// What a tenancy is made of, and how it is taken apart.

import type { ApiKeys } from './core/api-keys.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import type { BreakGlassStore } from './core/break-glass-store.ts'
import type { OpeningWitnesses } from './core/open-grant.ts'
import type { TenantScope } from './core/tenant-context.ts'
import type { TenantDirectory } from './core/tenant-directory.ts'
import type { Tenants } from './core/tenants.ts'
import type { UsageMeter } from './core/usage-meter.ts'
import type { ControlPool } from './postgres/control-pool.ts'
import type { ProtectedTables } from './postgres/kysely-predicate.ts'
import type { Leases } from './postgres/lease.ts'
import type { MoveWait } from './postgres/move-wait.ts'
import type { OpenDatabases } from './postgres/open-databases.ts'
import type { ReplicaDatabases } from './postgres/replicas.ts'
import type { TenantCaches } from './resources/cache/tenant-cache.ts'
import type { EventConsumers } from './resources/events/event-consumers.ts'
import type { EventsOfTenants } from './resources/events/tenant-events.ts'
import type { FilesOfTenants } from './resources/files/tenant-files.ts'
import type { JobWorkers } from './resources/jobs/job-workers.ts'
import type { JobsOfTenants } from './resources/jobs/tenant-jobs.ts'
import type { SearchOfTenants } from './resources/search/tenant-search.ts'
import type { TenantAudit } from './tenant-audit.ts'
import type { TenantUsage } from './tenant-usage.ts'

export interface TenancyParts {
  readonly reader: ControlPool
  readonly writer: ControlPool | undefined
  readonly directory: TenantDirectory
  readonly databases: OpenDatabases
  readonly moveWait: MoveWait
  readonly leases: Leases
  readonly replicas: ReplicaDatabases
  readonly replicaLeases: Leases
  readonly caches: TenantCaches
  readonly files: FilesOfTenants
  readonly jobs: JobsOfTenants
  readonly search: SearchOfTenants
  readonly workers: JobWorkers
  readonly events: EventsOfTenants
  readonly consumers: EventConsumers
  readonly audit: TenantAudit
  readonly meter: UsageMeter | undefined
  readonly protectedNames: ProtectedTables
  readonly witnesses: OpeningWitnesses & { readonly store: BreakGlassStore }
}

/** The parts, and those that a tenancy shows as they are. */
export interface JoinedParts extends TenancyParts {
  readonly scope: TenantScope
  readonly tenants: Tenants
  readonly auditTrail: AuditTrail
  readonly apiKeys: ApiKeys
  readonly usage: TenantUsage
}

/** In the order in which nothing that is closed is needed any more. */
export async function closeParts(parts: TenancyParts): Promise<void> {
  const { main } = parts.databases
  main.queue.close()
  parts.moveWait.close()
  // What could not be written is told at the very end, when everything is closed.
  const lost = await parts.audit.close().then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  await parts.directory.close()
  main.pool.close()
  await parts.replicas.close()
  await parts.databases.close()
  await parts.meter?.close()
  // A database that is down cannot revoke; the capabilities expire by themselves.
  await main.capabilities.close().catch(() => {})
  await parts.reader.close()
  await parts.writer?.close()
  if (lost !== undefined) throw lost.error
}
