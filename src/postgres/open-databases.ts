// The databases that this process uses, opened when a tenant in them is first asked for, and forgotten when too many others
// have been used since. Opening reads where the database is, and its password; it connects nowhere.

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { FairQueue } from '../core/fair-queue.ts'
import type { FairQueueOptions } from '../core/fair-queue-bounds.ts'
import type { Placement } from '../core/placement.ts'
import type { SecretReader } from '../core/secret-reader.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import { ClosedError, ConfigurationError, DatabaseUnavailableError, TenantVersionError } from '../errors.ts'
import { ownAuditSink, sharedAuditSink } from './audit-sinks.ts'
import { Capabilities } from './capabilities.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import { ControlPool } from './control-pool.ts'
import type { CredentialSource } from './credentials.ts'
import { addressOf, type DatabaseAddress, type DatabaseRow, findDatabase, type MainUrls } from './database-address.ts'
import { ownControl } from './own-control.ts'
import { auditSecretName } from './placements/own-database.ts'
import { ConnectionPool, type ConnectionPoolOptions } from './pool.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'

/** Which migrations this version of the application can serve: the oldest and the newest that it knows, e.g. `0012`. */
export interface ServedVersions {
  readonly min?: string | undefined
  readonly max?: string | undefined
}

export interface OpenDatabasesOptions {
  /** The catalog's own database, which stays open. */
  readonly main: TenantDatabase
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  readonly urls: MainUrls
  readonly secrets: SecretReader
  readonly clock: Clock
  /** Reads a tenant past every cache. */
  readonly locate: (tenant: Tenant) => Promise<Tenant | undefined>
  readonly serves?: ServedVersions | undefined
  /** Shared by all pools of the process, the catalog's own among them. */
  readonly budget: ConnectionBudget
  readonly pool: Omit<ConnectionPoolOptions, 'connectionString' | 'credentials' | 'budget' | 'clock'>
  readonly admission?: Omit<FairQueueOptions, 'slots' | 'clock'> | undefined
  /** Connections to a database that many tenants share, at most. */
  readonly sharedConnectionsMax: number
  /** Connections to a database of one tenant's own, at most. */
  readonly ownConnectionsMax: number
  /** Databases that are kept open, beside the catalog's own. An open one without connections costs a few kilobytes. */
  readonly databasesMax: number
  readonly capabilityTtlMs?: number | undefined
  readonly applicationName: string
}

interface Opened extends TenantDatabase {
  /** Closes what was opened for it alone. */
  close(): Promise<void>
}

/** @see TenantDatabases */
export class OpenDatabases implements TenantDatabases {
  readonly main: TenantDatabase
  readonly #options: OpenDatabasesOptions
  readonly #open: LRUCache<string, Opened>
  readonly #opening = new Map<string, Promise<TenantDatabase>>()
  readonly #closing = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: OpenDatabasesOptions) {
    this.main = options.main
    this.#options = options
    this.#open = new LRUCache({
      max: options.databasesMax,
      dispose: (database) => this.#close(database),
    })
  }

  all(): readonly TenantDatabase[] {
    return [this.main, ...this.#open.values()]
  }

  tryGet(tenant: Tenant): TenantDatabase | undefined {
    this.#assertServed(tenant)
    const { database } = tenant.placement
    return database === this.main.name ? this.main : this.#open.get(database)
  }

  async get(tenant: Tenant): Promise<TenantDatabase> {
    const found = this.tryGet(tenant)
    if (found !== undefined) return found
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    const { database } = tenant.placement
    const running = this.#opening.get(database)
    if (running !== undefined) return await running
    // Whoever comes first opens it for all, so it is nobody's context.
    const opening = runOutside(() => this.#openFor(tenant.placement)).finally(() => this.#opening.delete(database))
    this.#opening.set(database, opening)
    return await opening
  }

  async locate(tenant: Tenant): Promise<Tenant | undefined> {
    return await this.#options.locate(tenant)
  }

  async expireFence(tenantId: TenantId): Promise<string | undefined> {
    const [row] = await this.#options.reader.query<{ fence: string | null }>('select partywall.expire_fence($1) as fence', [tenantId])
    return row?.fence ?? undefined
  }

  /** Forgets a database, so that the next use reads anew where it is: it was moved, or dropped. */
  forget(name: string): void {
    this.#open.delete(name)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#open.clear()
    await Promise.allSettled([...this.#opening.values()])
    this.#open.clear()
    await Promise.allSettled([...this.#closing])
  }

  async #openFor({ database }: Placement): Promise<TenantDatabase> {
    const row = await this.#find(database)
    const opened = row.holds === 'tenant' ? this.#buildOwn(row) : await this.#buildShared(row)
    if (this.#isClosed) {
      await opened.close()
      throw new ClosedError('The tenancy was closed meanwhile.')
    }
    this.#open.set(database, opened)
    return opened
  }

  async #find(database: string): Promise<DatabaseRow> {
    const row = await findDatabase(this.#options.reader, database)
    if (row !== undefined) return row
    throw new DatabaseUnavailableError(`The database ${database} is not in the catalog. Was the tenant moved or off-boarded a moment ago?`)
  }

  /** Asked when the first connection is opened; and again when the password is refused, since it may have been rotated. */
  async #addressOf(row: DatabaseRow, refresh: boolean): Promise<DatabaseAddress> {
    const { urls, secrets } = this.#options
    return await addressOf(refresh ? await this.#find(row.name) : row, urls, secrets, refresh)
  }

  /** With what the tenant's login proves that an append is this application's. */
  async #auditKeyOf(row: DatabaseRow, refresh: boolean): Promise<Buffer> {
    const { secrets } = this.#options
    const name = auditSecretName(row.secretName!)
    if (refresh) secrets.forget?.(name)
    const key = await secrets.get(name)
    if (key === undefined) throw new ConfigurationError(`The secret store has no ${name}: the key of the audit log of ${row.name}.`)
    return Buffer.from(key, 'base64url')
  }

  #buildOwn(row: DatabaseRow): Opened {
    const { clock, applicationName, capabilityTtlMs: ttlMs, ownConnectionsMax, admission } = this.#options
    const pool = this.#poolOf(row)
    const queue = new FairQueue({ ...admission, reservedSlots: 0, slots: ownConnectionsMax, clock })
    const issuedTo = `${applicationName} ${process.pid}`
    const auditKey = async (refresh = false): Promise<Buffer> => await this.#auditKeyOf(row, refresh)
    const capabilities = new Capabilities({ control: ownControl(pool), isOwn: true, auditKey, clock, ttlMs, issuedTo, tenantsMax: 1 })
    const audit = ownAuditSink(ownControl(pool), auditKey)
    return { name: row.name, holds: row.holds, pool, queue, capabilities, audit, close: () => closeOne(pool, queue, capabilities) }
  }

  async #buildShared(row: DatabaseRow): Promise<Opened> {
    const { clock, applicationName, capabilityTtlMs: ttlMs, sharedConnectionsMax, admission } = this.#options
    const { gatekeeper } = await this.#addressOf(row, false)
    const control = new ControlPool({ connectionString: gatekeeper!, applicationName: `${applicationName} gatekeeper` })
    const pool = this.#poolOf(row)
    const queue = new FairQueue({ ...admission, slots: sharedConnectionsMax, clock })
    const capabilities = new Capabilities({ control, clock, ttlMs, issuedTo: `${applicationName} ${process.pid}` })
    const close = async (): Promise<void> => {
      await closeOne(pool, queue, capabilities)
      await control.close()
    }
    return { name: row.name, holds: row.holds, pool, queue, capabilities, audit: sharedAuditSink(control), close }
  }

  #poolOf(row: DatabaseRow): ConnectionPool {
    const { clock, applicationName, budget } = this.#options
    const credentials: CredentialSource = async ({ refresh }) => ({ connectionString: (await this.#addressOf(row, refresh)).app })
    return new ConnectionPool({ ...this.#options.pool, credentials, budget, clock, applicationName })
  }

  #close(database: Opened): void {
    const closing = database.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** A query would break in the middle of something; a name says what to do. */
  #assertServed({ id, version }: Tenant): void {
    const { serves } = this.#options
    if (serves === undefined) return
    const isOlder = serves.min !== undefined && (version ?? '0000') < serves.min
    const isNewer = serves.max !== undefined && (version ?? '0000') > serves.max
    if (!isOlder && !isNewer) return
    throw new TenantVersionError(
      `Tenant ${id} is at migration ${version ?? '0000'}, and this application serves ${serves.min ?? '0000'} to ${serves.max ?? 'any'}. ${isOlder ? 'Run partywall migrate up.' : 'Deploy the newer application.'}`,
      { details: { tenantId: id, version, ...serves } },
    )
  }
}

async function closeOne(pool: ConnectionPool, queue: FairQueue, capabilities: Capabilities): Promise<void> {
  queue.close()
  pool.close()
  // A database that is down cannot revoke; the capabilities expire by themselves.
  await capabilities.close().catch(() => {})
}
