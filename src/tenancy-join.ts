// What createTenancy() joins: pools, queues, capabilities, leases, and the resources over them. Each is made once, here.

import type { Clock } from './core/clock.ts'
import { FairQueue } from './core/fair-queue.ts'
import { observersOf } from './core/observer.ts'
import { mainPlacement } from './core/placement.ts'
import { PlannedCatalog } from './core/planned-catalog.ts'
import { Plans } from './core/plans.ts'
import type { SecretReader } from './core/secret-reader.ts'
import { type TenantContext, TenantScope } from './core/tenant-context.ts'
import { TenantDirectory } from './core/tenant-directory.ts'
import { Tenants } from './core/tenants.ts'
import { PostgresApiKeys } from './postgres/api-keys.ts'
import { sharedAuditSink } from './postgres/audit-sinks.ts'
import { PostgresAuditTrail } from './postgres/audit-trail.ts'
import { protectedTables } from './postgres/boot-gate.ts'
import { PostgresBreakGlassStore } from './postgres/break-glass-store.ts'
import { Capabilities } from './postgres/capabilities.ts'
import { PostgresCatalog } from './postgres/catalog.ts'
import { ConnectionBudget } from './postgres/connection-budget.ts'
import type { ControlPool } from './postgres/control-pool.ts'
import { PostgresEventStores } from './postgres/event-store.ts'
import { PostgresFileIndexes } from './postgres/file-index.ts'
import { PostgresJobStores } from './postgres/job-store.ts'
import { Leases, type LeasesOptions } from './postgres/lease.ts'
import { MoveWait } from './postgres/move-wait.ts'
import { OpenDatabases } from './postgres/open-databases.ts'
import { ConnectionPool } from './postgres/pool.ts'
import { protectedNames } from './postgres/protected-names.ts'
import { ReplicaDatabases } from './postgres/replicas.ts'
import { PostgresSearchIndexes } from './postgres/search-index.ts'
import { TenantHandle } from './postgres/tenant-handle.ts'
import { PostgresUsageLog } from './postgres/usage-log.ts'
import { PostgresWorkMarks } from './postgres/work-marks.ts'
import { MemoryCacheStore } from './resources/cache/memory-cache.ts'
import { TenantCaches } from './resources/cache/tenant-cache.ts'
import { EventConsumers } from './resources/events/event-consumers.ts'
import { EventsOfTenants } from './resources/events/tenant-events.ts'
import { FilesOfTenants } from './resources/files/tenant-files.ts'
import { JobWorkers } from './resources/jobs/job-workers.ts'
import { JobsOfTenants } from './resources/jobs/tenant-jobs.ts'
import { SearchOfTenants } from './resources/search/tenant-search.ts'
import type { TenancyOptions } from './tenancy-options.ts'
import type { JoinedParts } from './tenancy-parts.ts'
import { openStatementAudit, TenantAudit } from './tenant-audit.ts'
import { openUsageMeter, TenantUsage, warningOfStalled } from './tenant-usage.ts'

/** Of a process that was given none. */
const noSecrets: SecretReader = { get: async () => undefined }

export interface TenancyBase {
  readonly clock: Clock
  readonly applicationName: string
  readonly reader: ControlPool
  readonly writer: ControlPool | undefined
}

/**
 * Joins the parts over two logins that are known to keep their promises.
 *
 * @throws {ConfigurationError} {@link DatabaseUnavailableError}
 */
export async function joinParts(options: TenancyOptions, base: TenancyBase): Promise<JoinedParts> {
  const plans = new Plans(options.plans)
  const catalog = new PlannedCatalog(new PostgresCatalog(base), plans)
  const directory = await TenantDirectory.open({ catalog, clock: base.clock, ttlMs: options.tenantTtlMs })
  try {
    return await joinAll(options, { ...base, plans, catalog, directory })
  } catch (error) {
    await directory.close()
    throw error
  }
}

async function joinAll(
  options: TenancyOptions,
  base: TenancyBase & { readonly plans: Plans; readonly catalog: PlannedCatalog; readonly directory: TenantDirectory },
): Promise<JoinedParts> {
  const { clock, applicationName, reader, writer, plans, catalog, directory } = base
  const auditTrail = options.auditTrail ?? new PostgresAuditTrail(reader)
  const scope = new TenantScope(auditTrail)
  const capabilities = new Capabilities({
    control: reader,
    clock,
    ttlMs: options.capabilityTtlMs,
    issuedTo: `${applicationName} ${process.pid}`,
  })
  const { connectionsMax = 10, ownConnectionsMax = 4, totalConnectionsMax = 50, ...poolOptions } = options.pool ?? {}
  const budget = new ConnectionBudget({ connectionsMax: totalConnectionsMax, clock })
  const pool = new ConnectionPool({ connectionString: options.database, clock, applicationName, budget, ...poolOptions })
  const queue = new FairQueue({ ...options.admission, slots: connectionsMax, clock })
  const databases = new OpenDatabases({
    main: { name: mainPlacement.database, holds: 'pooled', pool, queue, capabilities, audit: sharedAuditSink(reader) },
    reader,
    urls: { app: options.database, gatekeeper: options.catalog },
    secrets: options.secrets ?? noSecrets,
    clock,
    locate: async ({ id }) => {
      const now = await catalog.find({ kind: 'id', id })
      if (now?.epoch !== directory.tryFind(id)?.epoch) directory.invalidate(id)
      return now
    },
    serves: options.serves,
    budget,
    pool: poolOptions,
    admission: options.admission,
    sharedConnectionsMax: connectionsMax,
    ownConnectionsMax,
    databasesMax: 2_000,
    capabilityTtlMs: options.capabilityTtlMs,
    applicationName,
  })
  const { movingWaitMs } = options
  const { tenantWaitingMax, waitingMax } = options.admission ?? {}
  const moveWait = new MoveWait({ databases, clock, movingWaitMs, tenantWaitingMax, waitingMax })
  const statementAudit = await openStatementAudit(options.audit, { databases, moveWait, clock })
  const usageLog = new PostgresUsageLog(reader)
  const meter = openUsageMeter(options.usage, usageLog, clock)
  const observer = observersOf([...(meter === undefined ? [] : [meter]), ...(options.observers ?? [])], warningOfStalled(clock))
  const leaseOptions: Omit<LeasesOptions, 'databases'> = {
    clock,
    moveWait,
    weight: ({ tenant }) => plans.weightOf(tenant.plan),
    statementTimeoutMs: options.statementTimeoutMs,
    audit: statementAudit,
    observer,
    onRefused: (id) => directory.invalidate(id),
  }
  const leases = new Leases({ ...leaseOptions, databases })
  const replicas = new ReplicaDatabases({
    ...options.replicas,
    ...{ primary: databases, reader, clock, directory, admission: options.admission },
    urls: { app: options.database, gatekeeper: options.catalog },
    secrets: options.secrets ?? noSecrets,
    pool: { ...poolOptions, applicationName },
    sharedConnectionsMax: connectionsMax,
    ownConnectionsMax,
  })
  const replicaLeases = new Leases({ ...leaseOptions, databases: replicas, isReadOnly: true })
  const caches = new TenantCaches({ store: options.cache ?? new MemoryCacheStore() })
  const doors = { for: (context: TenantContext) => new TenantHandle(leases, context) }
  const indexes = new PostgresFileIndexes(doors)
  const files = new FilesOfTenants({ options: options.files, indexes, clock })
  const tenants = new Tenants({ catalog, directory, auditTrail, scope })
  const marks = new PostgresWorkMarks(reader)
  const work = { stores: new PostgresJobStores(doors), marks, clock, observer }
  const workers = new JobWorkers({
    ...work,
    scope,
    find: (id) => directory.find({ kind: 'id', id }),
    weightOf: ({ plan }) => plans.weightOf(plan),
  })
  const jobs = new JobsOfTenants({ ...work, wake: (id) => workers.wake(id) })
  const happenings = { stores: new PostgresEventStores(doors), marks, clock, observer }
  const consumers = new EventConsumers({
    ...happenings,
    scope,
    keys: options.events?.keys,
    find: (id, isFresh) => {
      if (isFresh) directory.invalidate(id)
      return directory.find({ kind: 'id', id })
    },
  })
  const events = new EventsOfTenants({ ...happenings, options: options.events, wake: (id) => consumers.wake(id) })
  const names = protectedNames(await protectedTables(reader))
  const apiKeys = new PostgresApiKeys({ gatekeeper: reader, migrator: writer })
  return {
    reader,
    writer,
    directory,
    databases,
    moveWait,
    leases,
    replicas,
    replicaLeases,
    caches,
    files,
    jobs,
    search: new SearchOfTenants(new PostgresSearchIndexes(doors)),
    workers,
    events,
    consumers,
    audit: new TenantAudit({ audit: statementAudit, scope, leases }),
    meter,
    usage: new TenantUsage({ log: usageLog, meter, scope, tenants }),
    scope,
    tenants,
    auditTrail,
    apiKeys,
    protectedNames: names,
    witnesses: { store: new PostgresBreakGlassStore({ reader, writer }), secrets: options.secrets ?? noSecrets, auditTrail, clock },
  }
}
