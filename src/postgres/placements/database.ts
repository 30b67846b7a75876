// `database`: a database and a login of the tenant's own. Where its server comes from is all that `server` does otherwise.

import { databaseNameOf, type Placement, sharedSchema } from '../../core/placement.ts'
import type {
  EmptyOptions,
  GateState,
  PlacedTenant,
  PlacementAdapter,
  PlacementFacts,
  PlacementFinding,
  PlaceOptions,
  PurgeCount,
} from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import { AbortedError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { assertServerIsFree, chooseServer } from './choosing.ts'
import { moveGate } from './gate.ts'
import { ownDatabaseFindings } from './login-findings.ts'
import {
  auditSecretName,
  databaseRemains,
  dropDatabase,
  findDatabaseOf,
  findOwnDatabase,
  firstSecretName,
  known,
  loginSecretNames,
  makeDatabase,
  migrateDatabase,
  type OwnDatabase,
  reserveDatabase,
  settleIn,
} from './own-database.ts'
import { commonFindings, describePlace, placeInCatalog } from './place-facts.ts'
import { alone, inCatalog, type PlacementSite, told } from './placement-site.ts'
import { takeDatabase } from './stock-taking.ts'
import type { Templates } from './template.ts'
import { deleteRows } from './tenant-rows.ts'

interface Identified {
  readonly id: TenantId
  readonly region: string
}

/** Finds a server that is to be the tenant's alone. It may take minutes, so that it runs outside of every lock. */
export type AcquireServer = (tenant: Identified, options: PlaceOptions) => Promise<string>

export interface DatabasePlacementOptions {
  readonly site: PlacementSite
  readonly templates: Templates
  /** Without it the tenant shares a server with others. */
  readonly acquire?: AcquireServer | undefined
}

export class DatabasePlacement implements PlacementAdapter {
  readonly isolation: 'database' | 'server'
  readonly #site: PlacementSite
  readonly #templates: Templates
  readonly #acquire: AcquireServer | undefined

  constructor({ site, templates, acquire }: DatabasePlacementOptions) {
    this.#site = site
    this.#templates = templates
    this.#acquire = acquire
    this.isolation = acquire === undefined ? 'database' : 'server'
  }

  async place(tenant: Identified, options: PlaceOptions = {}): Promise<Placement> {
    const found = await this.#choosing(tenant, (catalog) => this.#found(catalog, tenant, options))
    if (found !== undefined) return found
    const acquired = await this.#acquire?.(tenant, options)
    return await this.#choosing(tenant, async (catalog) => {
      const meanwhile = await this.#found(catalog, tenant, options)
      if (meanwhile !== undefined) return meanwhile
      const server = acquired ?? (await chooseServer(catalog, tenant, options))
      if (acquired !== undefined) await assertServerIsFree(catalog, tenant, acquired)
      const name = databaseNameOf(tenant.id)
      await reserveDatabase(catalog, { name, server, tenantId: tenant.id, secretName: firstSecretName(tenant.id) })
      return this.#placement({ server, name })
    })
  }

  async provision(tenant: PlacedTenant, signal?: AbortSignal): Promise<void> {
    const { id, keys, placement } = tenant
    await alone(this.#site, `database ${placement.database}`, async (catalog) => {
      const own = known(await findOwnDatabase(catalog, placement.database), placement.database)
      if (own.tenantId !== id) known(undefined, placement.database)
      if (own.state === 'ready') return
      if (signal?.aborted) throw new AbortedError('Provisioning was cancelled.')
      const { version } = this.#site.migrations
      await makeDatabase(this.#site, this.#templates, own)
      await migrateDatabase(this.#site, own)
      await this.#site.onStep('migrations')
      await settleIn(this.#site, own, id, keys)
      await this.#site.onStep('settled')
      await catalog.query(`update partywall.databases set state = 'ready', version = $2 where name = $1`, [own.name, version])
    })
  }

  async setGate(tenant: PlacedTenant, state: GateState): Promise<void> {
    await moveGate(this.#site, tenant, state)
  }

  /** The login is the tenant's alone, so that whatever it runs is the tenant's. */
  async endStatements({ placement }: PlacedTenant): Promise<number> {
    return await told(() =>
      this.#site.connections.asAdministrator(placement.server, async (admin) => {
        const ended = await admin.query(
          `select pg_cancel_backend(a.pid) from pg_catalog.pg_stat_activity as a where a.datname = $1 and a.usename = $1 and a.state = 'active'`,
          [placement.database],
        )
        return ended.length
      }),
    )
  }

  async describe(tenant: PlacedTenant): Promise<PlacementFacts> {
    return await describePlace(this.#site, tenant, false)
  }

  async verify(tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
    return [...(await commonFindings(this.#site, tenant)), ...(await ownDatabaseFindings(this.#site, tenant))]
  }

  async empty(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    return await told(() => this.#site.connections.asMigrator(tenant.placement.database, (control) => deleteRows(control, tenant, options)))
  }

  async drop(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    const { server, database: name } = tenant.placement
    if (options.signal?.aborted) throw new AbortedError('Dropping the database was cancelled. Nothing was dropped.')
    await inCatalog(this.#site, (catalog) =>
      catalog.query(`update partywall.databases set state = 'dropping' where name = $1 and tenant_id = $2`, [name, tenant.id]),
    )
    return await alone(this.#site, `database ${name}`, async (catalog) => {
      const own = await findOwnDatabase(catalog, name)
      if (own?.tenantId !== tenant.id) return []
      const gone = await dropDatabase(this.#site, own)
      await this.#site.onStep('login dropped')
      const secrets: PurgeCount[] = []
      for (const secret of [own.secretName, auditSecretName(own.secretName)]) {
        if ((await this.#site.secrets.get(secret)) !== undefined) secrets.push({ kind: 'secret', where: secret, count: 1 })
        await this.#site.secrets.delete(secret)
      }
      // While the tenant's own row names it, the database stays in the list, as `dropping`; it goes with that row.
      await catalog.query(
        `delete from partywall.databases as d
          where d.name = $1 and not exists (select from partywall.tenants as t where t.database_name = d.name)`,
        [name],
      )
      return [
        { kind: 'database', where: `${server} ${name}`, count: gone.database },
        { kind: 'login', where: `${server} ${name}`, count: gone.login },
        ...secrets,
      ].filter(({ count }) => count > 0)
    })
  }

  async remains(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const { server, database: name } = tenant.placement
    const left = await told(() => this.#site.connections.asAdministrator(server, (admin) => databaseRemains(admin, name)))
    const own = await findOwnDatabase(this.#site.reader, name)
    const secrets = await Promise.all(
      loginSecretNames(tenant.id, name).map(async (secret) => ({
        kind: 'secret',
        where: secret,
        count: (await this.#site.secrets.get(secret)) === undefined ? 0 : 1,
      })),
    )
    return [
      { kind: 'database', where: `${server} ${name}`, count: left.database },
      { kind: 'login', where: `${server} ${name}`, count: left.login },
      ...secrets,
      { kind: 'reservation', where: 'catalog', count: own !== undefined && own.state !== 'dropping' ? 1 : 0 },
    ].filter(({ count }) => count > 0)
  }

  async #choosing<T>({ region }: Identified, fn: (catalog: ControlConnection) => Promise<T>): Promise<T> {
    return await alone(this.#site, `places ${region}`, fn)
  }

  /** What the tenant has, has reserved, or can have at once. */
  async #found(catalog: ControlConnection, tenant: Identified, options: PlaceOptions): Promise<Placement | undefined> {
    const placed = await placeInCatalog(catalog, tenant.id, this.isolation)
    if (placed !== undefined) return placed
    const isServerOwn = this.isolation === 'server'
    const own = (await findDatabaseOf(catalog, tenant.id)) ?? (await takeDatabase(catalog, tenant, { ...options, isServerOwn }))
    return own && this.#placement(own)
  }

  #placement({ server, name }: Pick<OwnDatabase, 'server' | 'name'>): Placement {
    return { isolation: this.isolation, server, database: name, schema: sharedSchema }
  }
}
