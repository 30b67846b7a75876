// Connections of operations to the databases of the fleet: as the migrator in a database, as the administrator on a server.
// An application that serves tenants has none of them. Few are open at a time, however many databases there are.

import { LRUCache } from 'lru-cache'
import type { SecretReader } from '../core/secret-reader.ts'
import { ClosedError, ConfigurationError } from '../errors.ts'
import { ControlPool } from './control-pool.ts'
import { databaseUrl } from './database.ts'
import { findDatabase, serverUrl } from './database-address.ts'
import { roles } from './roles.ts'

export interface FleetConnectionsOptions {
  /** The gatekeeper's connections to the catalog: where the databases are. */
  readonly reader: ControlPool
  /** URL of the migrator's login in the catalog's own database. */
  readonly admin: string
  /** Has `server/<server>/admin` (the URL of a login that may create databases and roles) and `server/<server>/migrator`. */
  readonly secrets: SecretReader
  readonly applicationName?: string | undefined
  /** Connections to one database, at most. Default 4. */
  readonly connectionsMax?: number | undefined
  /** Databases that stay connected, at most. Default 16. */
  readonly poolsMax?: number | undefined
  /** Default 60,000. */
  readonly statementTimeoutMs?: number | undefined
}

interface ServerAddress {
  readonly host: string | null
  readonly port: number | null
}

interface Lent {
  readonly pool: ControlPool
  users: number
  isEvicted: boolean
}

/** Lends connections for the time of a callback. */
export class FleetConnections {
  readonly #options: FleetConnectionsOptions
  readonly #pools: LRUCache<string, Lent>
  readonly #closing = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: FleetConnectionsOptions) {
    this.#options = options
    this.#pools = new LRUCache({
      max: options.poolsMax ?? 16,
      dispose: (lent) => {
        lent.isEvicted = true
        if (lent.users === 0) this.#end(lent)
      },
    })
  }

  /**
   * Runs `fn` with connections of the migrator's login to a database, by its name in the catalog.
   *
   * @throws {ConfigurationError} when the catalog has no such database, or the secret store no password for it.
   * @throws {DatabaseUnavailableError} when it cannot be reached.
   */
  async asMigrator<T>(database: string, fn: (control: ControlPool) => Promise<T>): Promise<T> {
    return await this.#lend(`migrator ${database}`, () => this.migratorUrl(database), fn)
  }

  /**
   * The same, to a database that the catalog does not know: a template, or one that is being made.
   *
   * @throws {ConfigurationError} when the catalog has no such server, or the secret store no password for it.
   */
  async asMigratorAt<T>(
    place: { readonly server: string; readonly database: string },
    fn: (control: ControlPool) => Promise<T>,
  ): Promise<T> {
    const { server, database } = place
    return await this.#lend(`migrator ${server} ${database}`, () => this.#migratorUrlAt(server, database), fn)
  }

  /**
   * Runs `fn` with connections of the administrator of a server: it may create and drop databases and roles.
   *
   * @param database As PostgreSQL knows it; default `postgres`.
   */
  async asAdministrator<T>(server: string, fn: (control: ControlPool) => Promise<T>, database = 'postgres'): Promise<T> {
    return await this.#lend(`admin ${server} ${database}`, async () => databaseUrl(await this.administratorUrl(server), { database }), fn)
  }

  /** The URL of the administrator of a server, from the secret store. */
  async administratorUrl(server: string): Promise<string> {
    return await this.#secret(`server/${server}/admin`)
  }

  /** Closes what is connected to a database of a server, so that it can be dropped or be a template. */
  async letGo(database: string): Promise<void> {
    for (const key of [...this.#pools.keys()]) if (key.split(' ').at(-1) === database) this.#pools.delete(key)
    await Promise.allSettled([...this.#closing])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#pools.clear()
    await Promise.allSettled([...this.#closing])
  }

  async #lend<T>(key: string, url: () => Promise<string>, fn: (control: ControlPool) => Promise<T>): Promise<T> {
    const lent = this.#pools.get(key) ?? this.#open(key, await url())
    lent.users += 1
    try {
      return await fn(lent.pool)
    } catch (error) {
      // The password may have been rotated: whoever comes next asks the secret store again.
      if (isRefusedLogin(error) && this.#pools.peek(key) === lent) this.#pools.delete(key)
      throw error
    } finally {
      lent.users -= 1
      if (lent.isEvicted && lent.users === 0) this.#end(lent)
    }
  }

  #open(key: string, connectionString: string): Lent {
    if (this.#isClosed) throw new ClosedError('The connections to the fleet are closed.')
    const { applicationName = 'partywall operations', connectionsMax = 4, statementTimeoutMs = 60_000 } = this.#options
    // Another may have opened it while we asked for the URL.
    const found = this.#pools.get(key)
    if (found !== undefined) return found
    const lent: Lent = {
      pool: new ControlPool({ connectionString, applicationName, connectionsMax, statementTimeoutMs }),
      users: 0,
      isEvicted: false,
    }
    this.#pools.set(key, lent)
    return lent
  }

  #end({ pool }: Lent): void {
    const closing = pool.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  /** The URL of the migrator's login to a database, by its name in the catalog. */
  async migratorUrl(name: string): Promise<string> {
    // Where the catalog is, the settings know best: what the catalog says of itself may be from before it was restored elsewhere.
    if (name === 'main') return this.#options.admin
    const row = await findDatabase(this.#options.reader, name)
    if (row === undefined) throw new ConfigurationError(`There is no database ${JSON.stringify(name)} in the catalog.`)
    return await this.#urlOf(row.server, row.databaseName, row)
  }

  async #migratorUrlAt(server: string, database: string): Promise<string> {
    const [row] = await this.#options.reader.query<ServerAddress>('select s.host, s.port from partywall.servers as s where s.name = $1', [
      server,
    ])
    if (row === undefined) throw new ConfigurationError(`There is no server ${JSON.stringify(server)} in the catalog.`)
    return await this.#urlOf(server, database, row)
  }

  async #urlOf(server: string, database: string, { host, port }: ServerAddress): Promise<string> {
    const { admin } = this.#options
    if (host === null) return databaseUrl(admin, { database })
    const password = await this.#secret(`server/${server}/migrator`)
    return serverUrl(databaseUrl(admin, { database, login: { name: roles.migrator, password } }), host, port!)
  }

  async #secret(name: string): Promise<string> {
    const secret = await this.#options.secrets.get(name)
    if (secret !== undefined) return secret
    const verb = name.startsWith('server/main/') ? 'adopt-main' : 'add'
    throw new ConfigurationError(
      `The secret store has no ${name}. Register the server with partywall server ${verb}, or put the secret there.`,
    )
  }
}

function isRefusedLogin(error: unknown): boolean {
  const code = ((error as { readonly cause?: unknown }).cause as { readonly code?: unknown } | undefined)?.code
  return code === '28P01' || code === '28000'
}
