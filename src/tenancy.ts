// createTenancy() and what it makes: each door of a tenancy, opened for the tenant in context alone.

import type { Kysely } from 'kysely'
import type { Actor } from './core/actor.ts'
import type { ApiKeys } from './core/api-keys.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import type { Grant } from './core/break-glass.ts'
import { systemClock } from './core/clock.ts'
import type { FairQueueStats } from './core/fair-queue.ts'
import { runByGrant } from './core/open-grant.ts'
import type { TenantRef } from './core/tenant.ts'
import { type AcrossTenantsOptions, createTenantContext, type TenantContext, type TenantScope } from './core/tenant-context.ts'
import type { Tenants } from './core/tenants.ts'
import { BreakGlassRefusedError, ClosedError, ConfigurationError } from './errors.ts'
import { assertSafe, type ProtectedTable, protectedTables } from './postgres/boot-gate.ts'
import { assertWallStands } from './postgres/canaries.ts'
import { assertSealed } from './postgres/canary.ts'
import type { Capability } from './postgres/capabilities.ts'
import { ControlPool } from './postgres/control-pool.ts'
import { tenantKysely } from './postgres/kysely.ts'
import type { ProtectedTables } from './postgres/kysely-predicate.ts'
import type { QueryOptions } from './postgres/lease.ts'
import { declareGlobalTable, protectTable } from './postgres/protect.ts'
import { protectedNames } from './postgres/protected-names.ts'
import { type RepositoryOptions, TenantRepository } from './postgres/repository.ts'
import type { QueryResult } from './postgres/result.ts'
import type { TenantDatabase } from './postgres/tenant-database.ts'
import { TenantHandle } from './postgres/tenant-handle.ts'
import { TenantPool, type TenantPoolOptions } from './postgres/tenant-pool.ts'
import type { TenantTransaction } from './postgres/transaction.ts'
import type { StreamOptions, TransactionOptions } from './postgres/transaction-options.ts'
import type { TenantCache } from './resources/cache/tenant-cache.ts'
import type { EventConsumer, EventConsumerOptions } from './resources/events/event-consumer.ts'
import type { TenantEvents } from './resources/events/tenant-events.ts'
import type { TenantFiles } from './resources/files/tenant-files.ts'
import type { JobWorker, JobWorkerOptions } from './resources/jobs/job-worker.ts'
import type { TenantJobs } from './resources/jobs/tenant-jobs.ts'
import type { TenantSearch } from './resources/search/tenant-search.ts'
import { joinParts } from './tenancy-join.ts'
import type { RunOptions, TenancyOptions, TenancyStats } from './tenancy-options.ts'
import { closeParts, type JoinedParts, type TenancyParts } from './tenancy-parts.ts'
import type { TenantAudit } from './tenant-audit.ts'
import type { TenantUsage } from './tenant-usage.ts'

/** Tenants, their context, and the doors to their data. Made by {@link createTenancy}. */
export class Tenancy {
  readonly scope: TenantScope
  readonly tenants: Tenants
  readonly auditTrail: AuditTrail
  readonly apiKeys: ApiKeys
  /** The tenants' own audit logs. */
  readonly audit: TenantAudit
  /** What tenants have used. */
  readonly usage: TenantUsage
  readonly #parts: TenancyParts
  readonly #kysely: Kysely<unknown>
  #protectedNames: ProtectedTables
  #isClosed = false
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(parts: JoinedParts) {
    this.scope = parts.scope
    this.tenants = parts.tenants
    this.auditTrail = parts.auditTrail
    this.apiKeys = parts.apiKeys
    this.audit = parts.audit
    this.usage = parts.usage
    this.#parts = parts
    this.#protectedNames = parts.protectedNames
    this.#kysely = tenantKysely({ leases: parts.leases, scope: parts.scope, tables: () => this.#protectedNames })
  }

  /**
   * Runs `fn` for a tenant, given by id or slug: for jobs, scripts and tests. Requests come through the middleware.
   *
   * @example
   * ```ts
   * await tenancy.run('acme', async () => {
   *   const { rows } = await tenancy.query('select title from documents where id = $1', [id])
   * })
   * ```
   *
   * @throws {TenantNotFoundError} {@link TenantSuspendedError} {@link TenantOffboardingError} {@link InvalidTenantRefError}
   * @throws {WrongTenantError} inside another tenant's scope.
   */
  async run<T>(tenant: TenantRef, fn: (context: TenantContext) => T | Promise<T>, options: RunOptions = {}): Promise<T> {
    const context = createTenantContext({ tenant: await this.tenants.get(tenant), ...options })
    return await this.scope.run(context, async (inside) => await fn(inside))
  }

  /** The context of now. @throws {NoTenantError} */
  current(): TenantContext {
    return this.scope.current()
  }

  /** The context of now, or undefined. */
  tryCurrent(): TenantContext | undefined {
    return this.scope.tryCurrent()
  }

  /** `fn`, refusing to run without a tenant; see {@link TenantScope.requireTenant}. Also a decorator for methods. */
  requireTenant<This, Args extends unknown[], Result>(
    fn: (this: This, ...args: Args) => Result,
    decorator?: ClassMethodDecoratorContext,
  ): (this: This, ...args: Args) => Result {
    return this.scope.requireTenant(fn, decorator)
  }

  /** `fn`, to be called later, in the context of now: for timers, emitters and queues. @throws {NoTenantError} */
  bind<This, Args extends unknown[], Result>(fn: (this: This, ...args: Args) => Result): (this: This, ...args: Args) => Result {
    return this.scope.bind(fn)
  }

  /** Danger: the licence to enter several tenants, one after another. Audited. @throws {InvalidInputError} without a reason. */
  async acrossTenants<T>(options: AcrossTenantsOptions, fn: () => T | Promise<T>): Promise<T> {
    return await this.scope.acrossTenants(options, fn)
  }

  /** The doors to one tenant's data, by an explicit context; it is checked against the ambient one. @throws {WrongTenantError} */
  for(context: TenantContext): TenantHandle {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    return new TenantHandle(this.#parts.leases, this.scope.check(context))
  }

  /**
   * Reads for the tenant in context from a replica of its server, which may be a moment behind (`replicas.ageMsMax`, 10 s); from
   * the server itself when no replica is near enough. Read-only on either: what writes is refused by the database (25006).
   *
   * @throws {NoTenantError} outside every tenant.
   */
  replica(): TenantHandle {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    return new TenantHandle(this.#parts.replicaLeases, this.current())
  }

  /**
   * Runs one statement for the tenant in context, in one round trip.
   *
   * @throws {NoTenantError} outside every tenant. See {@link TenantHandle.query} for the rest.
   */
  async query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<Row>> {
    return await this.for(this.current()).query<Row>(text, values, options)
  }

  /** Runs `fn` in a transaction of the tenant in context. See {@link TenantHandle.transaction}. */
  async transaction<T>(fn: (tx: TenantTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return await this.for(this.current()).transaction(fn, options)
  }

  /** Reads a large result in pieces, in a read-only transaction of its own. See {@link TenantHandle.stream}. */
  stream<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: StreamOptions,
  ): AsyncGenerator<Row, void, void> {
    return this.for(this.current()).stream<Row>(text, values, options)
  }

  /**
   * Kysely for the tenant in context of whoever executes. The same object at every call.
   *
   * Every protected table gets the explicit tenant, every inserted row its `tenant_id`.
   *
   * @example
   * ```ts
   * const open = await tenancy.db<Schema>().selectFrom('documents').selectAll().where('state', '=', 'open').execute()
   * ```
   */
  db<Schema>(): Kysely<Schema> {
    return this.#kysely as unknown as Kysely<Schema>
  }

  /**
   * The rows of one table, without SQL, for the tenant in context of whoever calls. Make one and keep it.
   *
   * @param table `documents`, or `schema.documents`.
   */
  repository<T extends object>(table: string, options: RepositoryOptions = {}): TenantRepository<T> {
    return new TenantRepository<T>({ leases: this.#parts.leases, scope: this.scope }, table, options)
  }

  /**
   * A look-alike of `pg.Pool`, for any ORM that takes one. Each call makes one: its `end()` closes it alone.
   *
   * @example
   * ```ts
   * const orm = drizzle({ client: tenancy.pool() })
   * ```
   */
  pool(options: Pick<TenantPoolOptions, 'types'> = {}): TenantPool {
    return new TenantPool({ ...options, leases: this.#parts.leases, scope: this.scope })
  }

  /** The cache of the tenant in context. There is no unscoped one. */
  cache(): TenantCache {
    const context = this.current()
    if (context.grant !== undefined)
      throw new BreakGlassRefusedError('A grant opens the tenant’s tables, where each look is recorded, and no cache.')
    return this.#parts.caches.for(context)
  }

  /** The files of the tenant in context. There are no unscoped ones. @throws {ConfigurationError} without `files` in the options. */
  files(): TenantFiles {
    const context = this.current()
    if (context.grant !== undefined) throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and no files.')
    return this.#parts.files.for(context)
  }

  /** The jobs of the tenant in context. Its schema needs their queue: `select partywall.create_jobs();` in a migration. */
  jobs(): TenantJobs {
    const context = this.current()
    if (context.grant !== undefined)
      throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and enqueues nothing that outlives it.')
    return this.#parts.jobs.for(context)
  }

  /** The search of the tenant in context. Its schema needs the index: `select partywall.create_search();` in a migration. */
  search(): TenantSearch {
    const context = this.current()
    if (context.grant !== undefined) throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and not their search.')
    return this.#parts.search.for(context)
  }

  /**
   * Begins to run jobs of all tenants in this process, each inside its tenant's scope. It ends with the tenancy, or by its own `close()`.
   *
   * @example
   * ```ts
   * const worker = tenancy.startWorker({ jobs: [report], concurrency: 20 })
   * ```
   *
   * @throws {ConfigurationError} for options that cannot be.
   */
  startWorker(options: JobWorkerOptions): JobWorker {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    return this.#parts.workers.start(options)
  }

  /** The events of the tenant in context. Its schema needs their tables: `select partywall.create_events();` in a migration. */
  events(): TenantEvents {
    const context = this.current()
    if (context.grant !== undefined)
      throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and publishes nothing that outlives it.')
    return this.#parts.events.for(context)
  }

  /**
   * Begins to deliver events of all tenants in this process, each inside its tenant's scope. It ends with the tenancy, or by its own `close()`.
   *
   * @example
   * ```ts
   * const consumer = tenancy.startConsumer({ subscribers: [counter] })
   * ```
   *
   * @throws {ConfigurationError} for options that cannot be, or without `events` in the tenancy's options.
   */
  startConsumer(options: EventConsumerOptions): EventConsumer {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    return this.#parts.consumers.start(options)
  }

  /**
   * A short-lived capability for one tenant, for psql, BI tools and other languages: `select partywall.bind('…')`. Audited.
   *
   * @param options `ttlMs` 1,000 to 3,600,000, default 60,000.
   */
  async issueCapability(
    tenant: TenantRef,
    options: { readonly ttlMs?: number | undefined; readonly reason: string; readonly actor?: Actor | undefined },
  ): Promise<Capability> {
    if (this.tryCurrent()?.grant !== undefined) throw new BreakGlassRefusedError('A grant issues no capability that outlives it.')
    const tenantFound = await this.tenants.get(tenant)
    const { id } = tenantFound
    await this.auditTrail.record({
      action: 'capability.issue',
      outcome: 'allowed',
      actor: options.actor ?? { kind: 'system', id: 'partywall' },
      tenantId: id,
      requestId: this.tryCurrent()?.requestId,
      reason: options.reason,
    })
    const context = createTenantContext({ tenant: tenantFound, ...this.tryCurrent(), ...options })
    await this.audit.noteOwn(context, 'capability.issue', { reason: options.reason })
    return await this.#parts.leases.issueCapability(tenantFound, options.ttlMs ?? 60_000)
  }

  /**
   * Break-glass: runs `fn` for the tenant of a grant, as the member of the staff who asked for it. Whatever `fn` does through this
   * tenancy's doors is for reading alone unless the grant says more, is recorded before it is sent, and ends with the grant. Needs
   * `secrets`, where the public keys of staff are.
   *
   * @param grantId of a grant that somebody else has approved: `partywall break-glass list`.
   * @param options `key`: the private key of who asked for it, as PEM (PKCS #8).
   * @example
   * ```ts
   * const { rows } = await tenancy.breakGlass(grantId, { key }, () => tenancy.query('select id, state from invoices'))
   * ```
   *
   * @throws {GrantNotFoundError} {@link BreakGlassRefusedError} when it opens nothing: not approved by another, expired, revoked, edited.
   */
  async breakGlass<T>(
    grantId: string,
    options: { readonly key: string; readonly requestId?: string | undefined },
    fn: (context: TenantContext) => T | Promise<T>,
  ): Promise<T> {
    const { witnesses, audit } = this.#parts
    return await runByGrant({ ...witnesses, tenants: this.tenants, scope: this.scope, log: audit }, grantId, options, fn)
  }

  /**
   * Which grants there were for the tenant in context, the newest first, at most 100: for the tenant's own eyes. Those that nobody
   * approved are among them.
   *
   * @throws {NoTenantError} outside every tenant.
   */
  async breakGlassGrants(): Promise<readonly Grant[]> {
    const { tenant } = this.current()
    return await this.#parts.witnesses.store.list({ tenantId: tenant.id })
  }

  /** The tables behind the wall, read anew. What `db()` knows of them is brought up to date. */
  async protectedTables(): Promise<readonly ProtectedTable[]> {
    const tables = await protectedTables(this.#parts.reader)
    this.#protectedNames = protectedNames(tables)
    return tables
  }

  /**
   * Puts a table behind the wall, as `select partywall.protect('app.documents')` does in a migration. Needs the admin URL.
   *
   * @throws {TableRefusedError} with each finding and the SQL that mends it.
   */
  async protect(table: string, options: { readonly tenantColumn?: string | undefined } = {}): Promise<void> {
    await protectTable(this.#writer(), table, options.tenantColumn)
  }

  /** Declares a table global: the same rows for all tenants, read-only for the app. Needs the admin URL and a reason. */
  async declareGlobal(table: string, options: { readonly reason: string }): Promise<void> {
    await declareGlobalTable(this.#writer(), table, options.reason)
  }

  stats(): TenancyStats {
    const { databases, moveWait } = this.#parts
    const all = databases.all()
    const sum = (count: (database: TenantDatabase) => number): number => all.reduce((total, each) => total + count(each), 0)
    const queues = all.map(({ queue }) => queue.stats())
    const inQueues = (count: (queue: FairQueueStats) => number): number => queues.reduce((total, each) => total + count(each), 0)
    return {
      queue: {
        slots: inQueues(({ slots }) => slots),
        inUse: inQueues(({ inUse }) => inUse),
        waiting: inQueues(({ waiting }) => waiting),
        tenants: inQueues(({ tenants }) => tenants),
        idleTenants: inQueues(({ idleTenants }) => idleTenants),
      },
      moves: { waiting: moveWait.waiting, tenants: moveWait.watched },
      connections: { open: sum(({ pool }) => pool.size), idle: sum(({ pool }) => pool.idleCount) },
      capabilities: sum(({ capabilities }) => capabilities.size),
      databases: all.length,
    }
  }

  #writer(): ControlPool {
    const { writer } = this.#parts
    if (writer === undefined) throw new ConfigurationError('This needs the migrator’s login: pass its URL as `admin` to createTenancy().')
    return writer
  }

  /**
   * Ends the workers of jobs and the consumers of events, then refuses new work, lets what runs finish, revokes this process's capabilities, closes every
   * connection.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    // Jobs and events under way still need every door.
    await Promise.all([this.#parts.workers.close(), this.#parts.consumers.close()])
    this.#isClosed = true
    await closeParts(this.#parts)
  }
}

/**
 * Opens a tenancy: connects, checks that the database keeps the promises, and refuses to start if it does not.
 *
 * @example
 * ```ts
 * const tenancy = await createTenancy({ catalog: process.env.PARTYWALL_CATALOG_URL!, database: process.env.DATABASE_URL! })
 * ```
 *
 * @throws {BootRefusedError} with each finding and the SQL that mends it.
 * @throws {DatabaseUnavailableError} {@link ConfigurationError}
 */
export async function createTenancy(options: TenancyOptions): Promise<Tenancy> {
  if (!options.catalog || !options.database) {
    throw new ConfigurationError('createTenancy() needs two URLs: catalog (the gatekeeper’s login) and database (the app’s login).')
  }
  const clock = options.clock ?? systemClock
  const applicationName = options.applicationName ?? 'partywall'
  const reader = new ControlPool({ connectionString: options.catalog, applicationName: `${applicationName} gatekeeper` })
  const writer =
    options.admin === undefined
      ? undefined
      : new ControlPool({ connectionString: options.admin, applicationName: `${applicationName} admin` })
  try {
    const appRole = await assertSealed({ reader, database: options.database, applicationName })
    await assertSafe(reader, appRole)
    await assertWallStands({ reader, database: options.database, clock, applicationName, prepare: options.pool?.prepare })
    return new Tenancy(await joinParts(options, { clock, applicationName, reader, writer }))
  } catch (error) {
    await reader.close()
    await writer?.close()
    throw error
  }
}
