// Databases to read from, when a moment's delay does not matter: a replica of the tenant's server, or the server itself when no
// replica is near enough.
//
// The wall stands on a replica as on its primary, since its tables are replicated like all others. Capabilities are issued by the
// primary, and known to a replica once it has replayed that far: one that refuses a capability is left, for this tenant and for a
// moment, for the primary. A gate that closes is closed on a replica once it has replayed that far too; so the catalog is asked
// first, which hears of a suspension at once.

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { FairQueue } from '../core/fair-queue.ts'
import type { FairQueueOptions } from '../core/fair-queue-bounds.ts'
import type { SecretReader } from '../core/secret-reader.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import { assertServed } from '../core/tenant-directory.ts'
import {
  CapabilityRefusedError,
  ClosedError,
  ConfigurationError,
  ConnectionLostError,
  DatabaseUnavailableError,
  SerializationError,
  TenantMovingError,
  TenantNotFoundError,
  TenantSuspendedError,
} from '../errors.ts'
import type { ControlPool } from './control-pool.ts'
import { addressOf, findDatabase, type MainUrls, serverUrl } from './database-address.ts'
import { ConnectionPool, type ConnectionPoolOptions } from './pool.ts'
import { OpenReplica } from './replica-database.ts'
import { PrimaryPositions } from './replica-freshness.ts'
import { listReplicas, type Replica } from './server-rows.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'

/** When a replica is read from. */
export interface ReplicaBounds {
  /** How old what is read may be, in milliseconds. Default 10,000; at least 2 × `lookEveryMs`, at most 300 ×. */
  readonly ageMsMax?: number | undefined
  /** How often a replica in use, and its primary, are asked how far they are. Default 1,000. */
  readonly lookEveryMs?: number | undefined
  /** How long a tenant whom a replica refused reads from the primary. Default 1,000. */
  readonly asideMs?: number | undefined
}

export interface ReplicaDatabasesOptions extends ReplicaBounds {
  readonly primary: TenantDatabases
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  readonly urls: MainUrls
  readonly secrets: SecretReader
  readonly clock: Clock
  /** The tenant as the catalog has it, remembered or asked. */
  readonly directory: {
    tryFind(id: TenantId): Tenant | undefined
    find(lookup: { readonly kind: 'id'; readonly id: TenantId }): Promise<Tenant | undefined>
  }
  readonly pool: Omit<ConnectionPoolOptions, 'connectionString' | 'clock'>
  readonly admission?: Omit<FairQueueOptions, 'slots' | 'clock'> | undefined
  /** Connections to one database of one replica, at most; where it is one tenant's own, `ownConnectionsMax`. */
  readonly sharedConnectionsMax: number
  readonly ownConnectionsMax: number
  /** Databases of replicas that are kept open. Default 1,000. */
  readonly databasesMax?: number | undefined
}

/** How often the catalog is asked which replicas there are. */
const listEveryMs = 5_000
const tenantsAsideMax = 10_000
/** A replica that cannot be reached must not be waited for: the primary is there. */
const connectTimeoutMsMax = 2_000

/** Made for Leases that are read-only: where the primary stands in, nothing may be written either. */
export class ReplicaDatabases implements TenantDatabases {
  readonly main: TenantDatabase
  readonly #options: ReplicaDatabasesOptions
  readonly #bounds: Required<{ [K in keyof ReplicaBounds]: number }>
  readonly #open: LRUCache<string, OpenReplica>
  readonly #opening = new Map<string, Promise<void>>()
  /** Replicas that could not be opened (no password, no row) → when that may be tried again. */
  readonly #notBefore: LRUCache<string, number>
  readonly #aside: LRUCache<TenantId, number>
  readonly #positions = new Map<string, PrimaryPositions>()
  #replicas = new Map<string, Replica[]>()
  #listedAt = Number.NEGATIVE_INFINITY
  #listing: Promise<void> | undefined
  #turn = 0
  #isClosed = false

  /** @throws {ConfigurationError} for bounds that contradict each other. */
  constructor(options: ReplicaDatabasesOptions) {
    const { ageMsMax = 10_000, lookEveryMs = 1_000, asideMs = 1_000 } = options
    if (!(lookEveryMs > 0 && ageMsMax >= 2 * lookEveryMs && ageMsMax <= 300 * lookEveryMs)) {
      throw new ConfigurationError(`ageMsMax is ${ageMsMax}; it must be 2 to 300 times lookEveryMs, which is ${lookEveryMs}.`)
    }
    this.main = options.primary.main
    this.#options = options
    this.#bounds = { ageMsMax, lookEveryMs, asideMs }
    this.#open = new LRUCache({ max: options.databasesMax ?? 1_000, dispose: (replica) => replica.close() })
    this.#notBefore = new LRUCache({ max: options.databasesMax ?? 1_000 })
    this.#aside = new LRUCache({ max: tenantsAsideMax })
  }

  /** Databases of replicas that are open now. */
  all(): readonly OpenReplica[] {
    return [...this.#open.values()]
  }

  /** @throws {TenantSuspendedError} when the catalog says so, whatever the replica knows. {@link TenantOffboardingError} */
  tryGet(tenant: Tenant): TenantDatabase | undefined {
    const now = this.#options.directory.tryFind(tenant.id)
    if (now === undefined) return undefined
    assertServed(now)
    const primary = this.#options.primary.tryGet(tenant)
    return primary === undefined ? undefined : this.#near(tenant, now, primary)
  }

  async get(tenant: Tenant): Promise<TenantDatabase> {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    const now = await this.#options.directory.find({ kind: 'id', id: tenant.id })
    if (now === undefined) throw new TenantNotFoundError(`There is no tenant ${tenant.id}.`)
    assertServed(now)
    return this.#near(tenant, now, await this.#options.primary.get(tenant))
  }

  async locate(tenant: Tenant): Promise<Tenant | undefined> {
    return await this.#options.primary.locate(tenant)
  }

  async expireFence(tenantId: TenantId): Promise<string | undefined> {
    return await this.#options.primary.expireFence(tenantId)
  }

  tryElsewhere(error: unknown, tenant: Tenant, failed: TenantDatabase): boolean {
    if (!(failed instanceof OpenReplica) || !isReplicasOwn(error)) return false
    if (error instanceof ConnectionLostError || error instanceof DatabaseUnavailableError) failed.freshness.distrust()
    this.#aside.set(tenant.id, this.#options.clock.monotonic() + this.#bounds.asideMs)
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#open.clear()
    await Promise.allSettled([...this.#opening.values(), this.#listing])
    this.#open.clear()
  }

  /** A replica that is fit, or the primary. */
  #near(tenant: Tenant, now: Tenant, primary: TenantDatabase): TenantDatabase {
    const { database, server } = tenant.placement
    // One that has moved since is found by the primary's own way: it refuses, and the tenant is located.
    if (this.#isClosed || now.placement.database !== database) return primary
    this.#listAnew()
    if ((this.#aside.get(tenant.id) ?? Number.NEGATIVE_INFINITY) > this.#options.clock.monotonic()) return primary
    const replicas = this.#replicas.get(server)
    if (replicas === undefined) return primary
    const turn = this.#turn++
    for (let i = 0; i < replicas.length; i++) {
      const found = this.#openOrStart(replicas[(turn + i) % replicas.length]!, database, primary)
      if (found !== undefined && found.freshness.ageMs <= this.#bounds.ageMsMax) return found
    }
    return primary
  }

  /** The replica's database if it is open; it is opened, and looked at, behind the caller's back. */
  #openOrStart(replica: Replica, database: string, primary: TenantDatabase): OpenReplica | undefined {
    const key = keyOf(replica, database)
    const found = this.#open.get(key)
    if (found !== undefined) {
      found.primary = primary
      found.look()
      return found
    }
    const isTooSoon = (this.#notBefore.get(key) ?? Number.NEGATIVE_INFINITY) > this.#options.clock.monotonic()
    if (isTooSoon || this.#opening.has(key)) return undefined
    // Whoever comes first opens it for all, so it is nobody's context.
    const opening = runOutside(() => this.#openFor(key, replica, database, primary))
      .catch(() => {
        this.#notBefore.set(key, this.#options.clock.monotonic() + listEveryMs)
      })
      .finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return undefined
  }

  async #openFor(key: string, replica: Replica, database: string, primary: TenantDatabase): Promise<void> {
    const { reader, urls, secrets, clock, pool, admission, sharedConnectionsMax, ownConnectionsMax } = this.#options
    const row = await findDatabase(reader, database)
    if (row === undefined || this.#isClosed) return
    // The catalog's own is where the settings say, under whatever name: it may be a copy, or have been renamed.
    const { app } = database === this.main.name ? urls : await addressOf(row, urls, secrets)
    const positions = this.#positions.get(replica.server) ?? new PrimaryPositions(clock, this.#bounds.lookEveryMs)
    this.#positions.set(replica.server, positions)
    const isOwn = row.holds === 'tenant'
    const opened = new OpenReplica({
      replica,
      primary,
      clock,
      positions,
      lookEveryMs: this.#bounds.lookEveryMs,
      ageMsMax: this.#bounds.ageMsMax,
      pool: new ConnectionPool({
        ...pool,
        connectTimeoutMs: Math.min(pool.connectTimeoutMs ?? connectTimeoutMsMax, connectTimeoutMsMax),
        connectionString: serverUrl(app, replica.host, replica.port),
        clock,
      }),
      queue: new FairQueue({
        ...admission,
        ...(isOwn && { reservedSlots: 0 }),
        slots: isOwn ? ownConnectionsMax : sharedConnectionsMax,
        clock,
      }),
    })
    if (this.#isClosed) return opened.close()
    this.#open.set(key, opened)
    opened.look()
  }

  /** Which replicas there are, in the background. A catalog that does not answer leaves what was known. */
  #listAnew(): void {
    const now = this.#options.clock.monotonic()
    if (this.#listing !== undefined || now - this.#listedAt < listEveryMs) return
    this.#listedAt = now
    this.#listing = runOutside(() => listReplicas(this.#options.reader))
      .then((rows) => this.#keep(rows))
      .catch(() => {})
      .finally(() => {
        this.#listing = undefined
      })
  }

  #keep(rows: readonly Replica[]): void {
    this.#replicas = Map.groupBy(
      rows.filter(({ state }) => state === 'active'),
      ({ server }) => server,
    )
    const wanted = new Set(rows.filter(({ state }) => state === 'active').map(placeOf))
    for (const [key, { replica }] of this.#open.entries()) if (!wanted.has(placeOf(replica))) this.#open.delete(key)
  }
}

/** What a replica may say, or suffer, that its primary would not. */
function isReplicasOwn(error: unknown): boolean {
  return (
    error instanceof CapabilityRefusedError ||
    // The replica's gate may be an old one, closed or not: the primary's is the truth.
    error instanceof TenantSuspendedError ||
    error instanceof TenantMovingError ||
    // A statement that stood in the way of the replay (40001).
    error instanceof SerializationError ||
    error instanceof ConnectionLostError ||
    error instanceof DatabaseUnavailableError ||
    // A table, column, function or schema that was made a moment ago, or never: the primary knows.
    /^(42P01|42703|42883|42704|3F000)$/.test(String((error as { code?: unknown }).code))
  )
}

function keyOf(replica: Replica, database: string): string {
  return `${placeOf(replica)} ${database}`
}

/** With its address: one that was registered anew is another one. */
function placeOf({ server, name, host, port }: Replica): string {
  return `${server} ${name} ${host} ${port}`
}
