// The servers of the fleet: registered, watched, emptied and given up. What is known of them is in the catalog, what opens them
// in the secret store.
//
//   add → provisioning → active ⇄ draining → remove
//
// A server is taken into use only when its roles are there and their passwords are kept; a run that was killed is repeated.

import { type Clock, systemClock } from '../core/clock.ts'
import type { Json, TenantId } from '../core/tenant.ts'
import {
  ConfigurationError,
  DatabaseUnavailableError,
  RegionMismatchError,
  ServerExistsError,
  ServerInUseError,
  ServerNotFoundError,
  ServerRefusedError,
} from '../errors.ts'

import { ControlPool } from './control-pool.ts'
import { databaseUrl } from './database.ts'
import { serverUrl } from './database-address.ts'
import { secureServer } from './placements/secure-server.ts'
import { chooseServer, type ServerWish } from './server-choice.ts'
import { assertFit, readServerFacts, type ServerFacts, type ServerFinding, serverFindings } from './server-facts.ts'
import { checkedAddress, checkedAdminUrl, checkedLabels, checkedTenantsMax, checkedWord, type Labels } from './server-input.ts'
import { ensureServerLogins, type ServerSecrets, secretNamesOf } from './server-logins.ts'
import {
  findServer,
  listReplicas,
  listServers,
  promisedHost,
  type Replica,
  type ResidencyFinding,
  type Resident,
  residencyFindings,
  residentsOf,
  type Server,
} from './server-rows.ts'

export interface ServersOptions {
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  /** The migrator's: they write the fleet. */
  readonly writer: ControlPool
  /** Where the logins' passwords go: `server/<name>/admin` (a URL), `migrator`, `gatekeeper`, `app`. */
  readonly secrets: ServerSecrets
  readonly clock?: Clock | undefined
}

export interface NewServer {
  /** A word of at most 48 characters. */
  readonly name: string
  readonly region: string
  /** `postgres://login:password@host:port/postgres` of a login that may create roles and databases. Kept in the secret store. */
  readonly adminUrl: string
  /** What the server may be chosen by. `dedicated: true` keeps it for a tenant who has a server of its own. */
  readonly labels?: Labels | undefined
  /** How many tenants may have a database of their own on it. Default: any number. */
  readonly tenantsMax?: number | null | undefined
  /** Who made it; default `inventory`. */
  readonly provisioner?: string | undefined
  /** Whose it is, and what is needed to destroy it. Holds no secret. */
  readonly provisioned?: Json | undefined
  /** Passwords and rows may cross the network in the clear: only where the network itself is trusted. Default false. */
  readonly allowUnencrypted?: boolean | undefined
  /** Logins of ours that are there already, and whose passwords nobody has, get new ones. Default: such a server is refused. */
  readonly resetPasswords?: boolean | undefined
}

/** What `add` and `check` found. */
export interface ServerReport {
  readonly server: Server
  /** Undefined when the server could not be reached. */
  readonly facts: ServerFacts | undefined
  readonly findings: readonly ServerFinding[]
}

/** A server with its load. */
export interface ServerLoad extends Server {
  /** Bytes of its tenants' databases; undefined when it was not asked, or did not answer. */
  readonly bytes: number | undefined
}

/** Residents that are told of at once. */
const residentsMax = 100
/** Servers that are asked at the same time. */
const askedAtOnceMax = 8

export class Servers {
  readonly #options: ServersOptions
  readonly #clock: Clock

  constructor(options: ServersOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Takes a server into the fleet: checks it, makes partywall's roles on it with generated passwords, and keeps those. Repeat it
   * after a failure; on a server that is there already it mends what is missing, and changes labels and bounds.
   *
   * @throws {ServerRefusedError} with every reason, when the server is not fit.
   * @throws {ServerExistsError} when the name is that of another address. {@link InvalidInputError}
   * @throws {RegionMismatchError} when the region would change under tenants who live there.
   * @throws {DatabaseUnavailableError} when it cannot be reached.
   */
  async add(input: NewServer): Promise<ServerReport> {
    const name = checkedWord('name', input.name)
    if (name === 'main') throw new ConfigurationError('main is the catalog’s own server. Register its administrator with adoptMain().')
    const row = {
      name,
      region: checkedWord('region', input.region),
      admin: checkedAdminUrl(input.adminUrl),
      labels: checkedLabels(input.labels ?? {}),
      tenantsMax: checkedTenantsMax(input.tenantsMax),
      provisioner: checkedWord('provisioner', input.provisioner ?? 'inventory'),
    }
    const facts = await readServerFacts(row.admin.url, this.#clock)
    const findings = serverFindings(facts, row.admin.host, input)
    assertFit(name, findings)
    await this.#record(row, input.provisioned ?? null)
    await this.#options.secrets.put(`server/${name}/admin`, row.admin.url)
    await ensureServerLogins({
      server: name,
      adminUrl: row.admin.url,
      secrets: this.#options.secrets,
      resetPasswords: input.resetPasswords,
    })
    await this.#options.writer.query(`update partywall.servers set state = 'active' where name = $1 and state = 'provisioning'`, [name])
    return { server: await this.get(name), facts, findings }
  }

  /**
   * Registers the administrator of the catalog's own server, so that databases can be made there too.
   *
   * @throws {ServerRefusedError} when it is another server, or not fit.
   */
  async adoptMain(input: { readonly adminUrl: string; readonly allowUnencrypted?: boolean | undefined }): Promise<ServerReport> {
    const admin = checkedAdminUrl(input.adminUrl)
    const facts = await readServerFacts(admin.url, this.#clock)
    const [own] = await this.#options.reader.query<{ id: string }>(
      'select c.system_identifier::text as id from pg_catalog.pg_control_system() as c',
    )
    if (own?.id !== facts.systemIdentifier) {
      throw new ServerRefusedError(
        `${admin.host}:${admin.port} is not the server of the catalog. Register it with add(), by a name of its own.`,
      )
    }
    const findings = serverFindings(facts, admin.host, input)
    assertFit('main', findings)
    await secure(admin.url)
    await this.#options.secrets.put('server/main/admin', admin.url)
    await this.#options.writer.query(`update partywall.servers set admin_login = $1 where name = 'main'`, [admin.login])
    return { server: await this.get('main'), facts, findings }
  }

  /** @throws {ServerNotFoundError} */
  async get(name: string): Promise<Server> {
    const server = await findServer(this.#options.reader, name)
    if (server !== undefined) return server
    throw new ServerNotFoundError(`There is no server ${JSON.stringify(name)} in the catalog.`)
  }

  /** The fleet, `main` first. `measure`: each server is asked how large its databases are. */
  async list(options: { readonly measure?: boolean | undefined } = {}): Promise<readonly ServerLoad[]> {
    const servers = await listServers(this.#options.reader)
    const loads: ServerLoad[] = []
    for (let i = 0; i < servers.length; i += askedAtOnceMax) {
      const some = servers.slice(i, i + askedAtOnceMax)
      const bytes = await Promise.all(some.map((server) => (options.measure === true ? this.#measure(server) : undefined)))
      loads.push(...some.map((server, at) => ({ ...server, bytes: bytes[at] })))
    }
    return loads
  }

  /** No new tenant is placed there from now on. @returns who is still there: the first hundred, and how many in all. */
  async drain(name: string): Promise<{ readonly server: Server; readonly residents: readonly Resident[] }> {
    const server = await this.#setState(name, 'draining')
    return { server, residents: await residentsOf(this.#options.reader, name, residentsMax) }
  }

  /** Takes a draining server into use again. */
  async activate(name: string): Promise<Server> {
    return await this.#setState(name, 'active')
  }

  /**
   * Strikes a server from the fleet, with its secrets. What is on it, its roles too, stays as it is. Repeat it after a failure.
   *
   * @param options `owner`: the tenant who has the server for its own, when that tenant gives it up.
   * @throws {ServerInUseError} while a database of ours is there, or a tenant has the server for its own.
   * @throws {ServerNotFoundError}
   */
  async remove(name: string, options: { readonly owner?: TenantId | undefined } = {}): Promise<void> {
    const { reader, writer, secrets } = this.#options
    if (name === 'main') throw new ServerInUseError('main holds the catalog: it cannot be removed.')
    const server = await findServer(reader, name)
    if (server !== undefined) {
      const gone = await writer
        .query(
          `delete from partywall.servers where name = $1 and (provisioned is null or provisioned ->> 'tenantId' = $2) returning name`,
          [name, options.owner ?? null],
        )
        .catch((error: { readonly code?: unknown }) => {
          // The foreign key of partywall.databases: it also sees who came a moment ago.
          if (error.code === '23503') return []
          throw error
        })
      // One that was its tenant's own, and is empty, leaves the catalog together with the tenant's row (sql/catalog/0004-schemas.sql).
      if (gone.length === 0 && !(await this.#isLeaving(name, options.owner))) await this.#refuseRemoval(server)
    }
    // Secrets go last. A run that was killed before this finds them, and no server.
    const kept: string[] = []
    for (const secret of secretNamesOf(name)) if ((await secrets.get(secret)) !== undefined) kept.push(secret)
    if (server === undefined && kept.length === 0) await this.get(name)
    // Also those that cannot be read: a store may keep older versions, or a draft of a process that was killed.
    for (const secret of secretNamesOf(name)) await secrets.delete(secret)
  }

  /**
   * Says where a server is. It changes no place: correct a mistake with it.
   *
   * @throws {RegionMismatchError} while tenants of another region live there.
   */
  async setRegion(name: string, region: string): Promise<Server> {
    await this.#update(name, 'region = $2', [checkedWord('region', region)])
    return await this.get(name)
  }

  async setLabels(name: string, labels: Labels): Promise<Server> {
    await this.#update(name, 'labels = $2', [JSON.stringify(checkedLabels(labels))])
    return await this.get(name)
  }

  /** Nobody is moved when there are more already. */
  async setTenantsMax(name: string, tenantsMax: number | null): Promise<Server> {
    await this.#update(name, 'tenants_max = $2', [checkedTenantsMax(tenantsMax)])
    return await this.get(name)
  }

  /** Asks a server how it is. One that does not answer is a finding, not a failure. */
  async check(name: string): Promise<ServerReport> {
    const server = await this.get(name)
    const url = await this.#options.secrets.get(`server/${name}/admin`)
    if (url === undefined) {
      const problem = `The secret store has no server/${name}/admin.`
      return { server, facts: undefined, findings: [{ rule: 'secret', severity: 'refused', problem, fix: 'Register the server again.' }] }
    }
    try {
      const facts = await readServerFacts(url, this.#clock)
      return { server, facts, findings: serverFindings(facts, checkedAdminUrl(url).host, { allowUnencrypted: true }) }
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) throw error
      const finding: ServerFinding = { rule: 'reach', severity: 'refused', problem: error.message, fix: 'Start it, or mend the network.' }
      return { server, facts: undefined, findings: [finding] }
    }
  }

  /** Every tenant who lives outside its region: none, unless somebody wrote past the catalog's triggers. */
  async residency(): Promise<readonly ResidencyFinding[]> {
    return await residencyFindings(this.#options.reader)
  }

  /** Where there is room; see {@link chooseServer}. A hint: who inserts chooses under its lock. */
  async pick(wish: ServerWish): Promise<Server> {
    return await chooseServer(this.#options.reader, wish)
  }

  /**
   * Registers a read replica of a server: it must be reachable, and must follow that very server.
   *
   * @throws {ServerRefusedError} when it is no replica of it.
   * @throws {RegionMismatchError} when it is in another region: rows must not leave theirs by being read.
   */
  async addReplica(input: {
    readonly server: string
    readonly name: string
    readonly host: string
    readonly port: number
  }): Promise<Replica> {
    const server = await this.get(input.server)
    const name = checkedWord('name', input.name)
    const { host, port } = checkedAddress(input)
    const adminUrl = await this.#options.secrets.get(`server/${server.name}/admin`)
    if (adminUrl === undefined) {
      throw new ConfigurationError(`The secret store has no server/${server.name}/admin: register the server's administrator first.`)
    }
    const [primary, facts] = [
      await readServerFacts(adminUrl, this.#clock),
      await readServerFacts(serverUrl(adminUrl, host, port), this.#clock),
    ]
    if (!facts.isReplica || facts.systemIdentifier !== primary.systemIdentifier) {
      throw new ServerRefusedError(
        `${host}:${port} is no replica of the server ${server.name}: ${facts.isReplica ? 'it follows another one' : 'it takes writes'}.`,
      )
    }
    await this.#options.writer.query(
      `insert into partywall.replicas (server_name, name, region, host, port) values ($1, $2, $3, $4, $5)
           on conflict on constraint replicas_pkey do update set region = excluded.region, host = excluded.host, port = excluded.port, state = 'active'`,
      [server.name, name, server.region, host, port],
    )
    return { server: server.name, name, region: server.region, host, port, state: 'active' }
  }

  /** Replicas of one server, or of all. */
  async listReplicas(server?: string): Promise<readonly Replica[]> {
    return await listReplicas(this.#options.reader, server)
  }

  /** Reads are sent elsewhere within seconds. @throws {ServerNotFoundError} */
  async removeReplica(server: string, name: string): Promise<void> {
    const gone = await this.#options.writer.query('delete from partywall.replicas where server_name = $1 and name = $2 returning name', [
      server,
      name,
    ])
    if (gone.length === 0) throw new ServerNotFoundError(`The server ${server} has no replica ${JSON.stringify(name)}.`)
  }

  async #isLeaving(name: string, owner: TenantId | undefined): Promise<boolean> {
    const leaving = await this.#options.writer.query(
      `select from partywall.servers as s
        where s.name = $1
          and s.state = 'retired'
          and s.provisioned ->> 'tenantId' = $2
          and not exists (select from partywall.databases as d where d.server_name = s.name and d.state <> 'dropping')`,
      [name, owner ?? null],
    )
    return leaving.length > 0
  }

  async #refuseRemoval({ name, tenants, databases, provisioned }: Server): Promise<never> {
    const residents = await residentsOf(this.#options.reader, name, residentsMax)
    const why =
      databases > 0
        ? `${databases} databases are on the server ${name}. Move or off-board those who live there first.`
        : `The server ${name} is one tenant's own. Off-board that tenant first.`
    throw new ServerInUseError(why, { details: { server: name, tenants, databases, residents, provisioned } })
  }

  /** The row, before anything is made on the server: whoever is killed then finds what was begun. */
  async #record(row: Recorded, provisioned: Json): Promise<void> {
    const { name, region, admin, labels, tenantsMax, provisioner } = row
    const [before] = await this.#options.writer.query<{ host: string; port: number; state: string }>(
      'select s.host, s.port, s.state from partywall.servers as s where s.name = $1',
      [name],
    )
    const isPromised = before?.host === promisedHost
    if (before !== undefined && !isPromised && (before.host !== admin.host || before.port !== admin.port)) {
      throw new ServerExistsError(
        `The server ${name} is registered at ${before.host}:${before.port}. Remove that one first, or choose another name.`,
      )
    }
    await this.#guardRegion(() =>
      this.#options.writer.query(
        `insert into partywall.servers as s (name, region, host, port, admin_login, labels, tenants_max, provisioner, provisioned, state)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'provisioning')
             on conflict on constraint servers_pkey
             do update set region = excluded.region, host = excluded.host, port = excluded.port, admin_login = excluded.admin_login,
                labels = excluded.labels, tenants_max = excluded.tenants_max, provisioner = excluded.provisioner,
                provisioned = coalesce(excluded.provisioned, s.provisioned)`,
        [
          name,
          region,
          admin.host,
          admin.port,
          admin.login,
          JSON.stringify(labels),
          tenantsMax,
          provisioner,
          provisioned === null ? null : JSON.stringify(provisioned),
        ],
      ),
    )
  }

  async #setState(name: string, state: Server['state']): Promise<Server> {
    const { state: before } = await this.get(name)
    if (before === 'provisioning' && state !== 'retired') {
      throw new ConfigurationError(`The server ${name} is not made yet: add it again to finish.`)
    }
    await this.#update(name, 'state = $2', [state])
    return await this.get(name)
  }

  async #update(name: string, assignment: string, values: readonly unknown[]): Promise<void> {
    const found = await this.#guardRegion(() =>
      this.#options.writer.query(`update partywall.servers set ${assignment} where name = $1 returning name`, [name, ...values]),
    )
    if (found.length === 0) throw new ServerNotFoundError(`There is no server ${JSON.stringify(name)} in the catalog.`)
  }

  async #guardRegion<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'PW011') throw error
      throw new RegionMismatchError(`${(error as Error).message}. Move them first.`, { cause: error })
    }
  }

  async #measure(server: Server): Promise<number | undefined> {
    const url = await this.#options.secrets.get(`server/${server.name}/admin`)
    if (url === undefined) return undefined
    const names = await this.#options.reader.query<{ name: string }>(
      'select d.database_name as name from partywall.databases as d where d.server_name = $1',
      [server.name],
    )
    const control = new ControlPool({ connectionString: databaseUrl(url, {}), applicationName: 'partywall server', connectionsMax: 1 })
    try {
      const [size] = await control.query<{ bytes: string | null }>(
        'select sum(pg_catalog.pg_database_size(d.oid)) as bytes from pg_catalog.pg_database as d where d.datname = any ($1)',
        [names.map(({ name }) => name)],
      )
      return Number(size?.bytes ?? 0)
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) return undefined
      throw error
    } finally {
      await control.close()
    }
  }
}

interface Recorded {
  readonly name: string
  readonly region: string
  readonly admin: ReturnType<typeof checkedAdminUrl>
  readonly labels: Labels
  readonly tenantsMax: number | null
  readonly provisioner: string
}

/** A tenant's login finds no other database to go to. Needs the owner of these databases, or a superuser; others find it told by `verify`. */
async function secure(adminUrl: string): Promise<void> {
  const admin = new ControlPool({ connectionString: adminUrl, applicationName: 'partywall server', connectionsMax: 1 })
  try {
    await secureServer(admin)
  } finally {
    await admin.close()
  }
}
