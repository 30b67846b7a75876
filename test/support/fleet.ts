// A fleet for tests of placements: a catalog, a database for schemas beside it, and another server for tenants that want their own.
// Databases and logins belong to the whole server, so that everything made here is dropped at the end, by its own name.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Isolation, Placement } from '../../src/core/placement.ts'
import type { GateState, PlacedTenant, PlacementAdapter, PlaceOptions } from '../../src/core/placement-adapter.ts'
import { parseTenantSlug, type TenantId, type TenantKeys } from '../../src/core/tenant.ts'
import { PostgresCatalog } from '../../src/postgres/catalog.ts'
import { type ControlConnection, ControlPool } from '../../src/postgres/control-pool.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { FleetConnections } from '../../src/postgres/fleet-connections.ts'
import { loginSecretNames } from '../../src/postgres/placements/own-database.ts'
import type { PlacementMigrations } from '../../src/postgres/placements/placement-site.ts'
import { createPlacements, type Placements } from '../../src/postgres/placements/placements.ts'
import { secureServer } from '../../src/postgres/placements/secure-server.ts'
import { ensureRoles } from '../../src/postgres/roles.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { plainMigrations } from './plain-migrations.ts'
import { passwords, urlFor } from './template.ts'

export interface Fleet {
  readonly catalog: TestDatabase
  readonly connections: FleetConnections
  readonly placements: Placements
  readonly tenants: PostgresCatalog
  readonly secrets: Map<string, string>
  /** The steps that were taken; a step in `failAt` throws instead. */
  readonly steps: string[]
  failAt: string | undefined
  /** Called at each step. */
  onStep: (step: string) => void | Promise<void>
  /** The database for schemas. */
  readonly schemas: string
  /** Other placements over the same fleet, e.g. with other migrations. */
  with(migrations: PlacementMigrations): Placements
  /** Places a tenant and puts it into the catalog, and no more. */
  placed(isolation: Isolation, options?: PlaceOptions & { readonly keys?: TenantKeys }): Promise<PlacedTenant>
  /** Places, provisions and opens. */
  tenant(isolation: Isolation, options?: PlaceOptions & { readonly keys?: TenantKeys }): Promise<PlacedTenant>
  adapter(tenant: { readonly placement: Pick<Placement, 'isolation'> }): PlacementAdapter
  /** Statements as the application, bound to the tenant, in one transaction that is rolled back unless it resolves. */
  as<T>(tenant: PlacedTenant, fn: (connection: ControlConnection) => Promise<T>): Promise<T>
  /** A pool of the login that serves the tenant. The caller closes it. */
  login(tenant: PlacedTenant): Promise<ControlPool>
  /** Drops whatever was made, and closes. Call it in `after`. */
  strike(): Promise<void>
  /** The ground truth: statements of a superuser in the tenant's database. */
  alice<Row extends object>(
    place: Pick<Placement, 'server' | 'database'>,
    text: string,
    values?: readonly unknown[],
  ): Promise<readonly Row[]>
}

export class Killed extends Error {}

const schemaless: readonly string[] = ['main']

/** One fleet for a suite. Call it in `before`, and `strike()` in `after`. */
export async function fleet(migrations = plainMigrations()): Promise<Fleet> {
  const catalog = await testDatabase()
  const reader = new ControlPool({ connectionString: catalog.urls.gatekeeper, applicationName: 'test-reader' })
  const writer = new ControlPool({ connectionString: catalog.urls.migrator, applicationName: 'test-writer' })
  const own = await secondServer()
  const secrets = new Map([['server/main/admin', catalog.urls.superuser]])
  const connections = new FleetConnections({ reader, admin: catalog.urls.migrator, secrets: secretsOf(secrets) })
  const steps: string[] = []
  const schemas = `pw_schemas_${randomBytes(6).toString('hex')}`
  const site = {
    reader,
    connections,
    secrets: secretsOf(secrets),
    provisioner: {
      acquire: async ({ region }: { readonly region: string }) => await registerServer(writer, secrets, own, region),
    },
    onStep: async (step: string) => {
      steps.push(step)
      await made.onStep(step)
      if (made.failAt === step) throw new Killed(step)
    },
  }
  const placements = createPlacements({ ...site, migrations })
  const tenants = new PostgresCatalog({ reader, writer })
  const url = async ({ server, database }: Pick<Placement, 'server' | 'database'>): Promise<string> =>
    urlFor(secrets.get(`server/${server}/admin`)!, database === 'main' ? catalog.name : database)
  const made: Fleet = {
    catalog,
    connections,
    placements,
    tenants,
    secrets,
    steps,
    failAt: undefined,
    onStep: () => {},
    schemas,
    with: (other) => createPlacements({ ...site, migrations: other }),
    adapter: ({ placement }) => placements.for(placement.isolation),
    placed: async (isolation, { keys = {}, ...options } = {}) => {
      const id = randomUUID() as TenantId
      const placement = await placements.for(isolation).place({ id, region: 'default' }, options)
      await tenants.create({ id, slug: parseTenantSlug(`t-${id.slice(0, 13)}`), name: 'Tenant', placement, keys, status: 'onboarding' })
      return { id, region: 'default', keys, placement }
    },
    tenant: async (isolation, options) => {
      const tenant = await made.placed(isolation, options)
      await placements.for(isolation).provision(tenant)
      await open(made, tenant)
      return tenant
    },
    as: async (tenant, fn) => await bound(made, await url(tenant.placement), tenant, fn),
    login: async (tenant) => loginPool(made, await url(tenant.placement), tenant),
    strike: async () => {
      made.failAt = undefined
      made.onStep = () => {}
      await dropEverything(made)
      await connections.close()
      await reader.close()
      await writer.close()
    },
    alice: async (place, text, values) => {
      const pool = new ControlPool({ connectionString: await url(place), applicationName: 'test-alice', connectionsMax: 1 })
      try {
        return await pool.query(text, values)
      } finally {
        await pool.close()
      }
    },
  }
  await connections.asMigrator('main', async (control) => {
    await migrations.applyAll(control, 'app')
    await control.query(`update partywall.databases set version = $1 where name = 'main'`, [migrations.version])
  })
  await placements.schemaDatabases.create({ server: 'main', name: schemas })
  return made
}

/** As an operation does at the end of onboarding. */
export async function open({ tenants, placements }: Fleet, tenant: PlacedTenant, state: GateState = 'open'): Promise<void> {
  await tenants.setStatus(tenant.id, 'active')
  await placements.for(tenant.placement.isolation).setGate(tenant, state)
}

function secretsOf(secrets: Map<string, string>) {
  return {
    get: async (name: string) => secrets.get(name),
    put: async (name: string, value: string) => void secrets.set(name, value),
    delete: async (name: string) => secrets.delete(name),
  }
}

function loginPool({ secrets }: Fleet, superuserUrl: string, { id, placement }: PlacedTenant): ControlPool {
  const { database, isolation } = placement
  const isOwn = isolation === 'database' || isolation === 'server'
  const url = new URL(superuserUrl)
  url.username = isOwn ? database : 'partywall_app'
  const secret = loginSecretNames(id, database).find((name) => secrets.has(name)) ?? ''
  url.password = isOwn ? (secrets.get(secret) ?? '') : passwords.app
  return new ControlPool({ connectionString: url.href, applicationName: 'test-app', connectionsMax: 1 })
}

async function bound<T>(
  made: Fleet,
  superuserUrl: string,
  tenant: PlacedTenant,
  fn: (connection: ControlConnection) => Promise<T>,
): Promise<T> {
  const pool = loginPool(made, superuserUrl, tenant)
  const isOwn = pool !== undefined && ['database', 'server'].includes(tenant.placement.isolation)
  try {
    const [issued] = isOwn
      ? await pool.query<{ capability: string }>(`select i.capability from partywall.issue_own(interval '1 minute', 'test') as i`)
      : await made.alice<{ capability: string }>(
          tenant.placement,
          `select i.capability from partywall.issue(array[$1::uuid], interval '1 minute', 'test') as i`,
          [tenant.id],
        )
    return await pool.transaction(async (connection) => {
      await connection.query('select partywall.bind($1)', [issued?.capability ?? null])
      return await fn(connection)
    })
  } finally {
    await pool.close()
  }
}

let second: Promise<EmbeddedServer & { readonly directory: string }> | undefined

/** Another server, for tenants that want their own. Several names in the catalog may stand for it. */
async function secondServer(): Promise<EmbeddedServer> {
  second ??= (async () => {
    const directory = await mkdtemp(join(tmpdir(), 'partywall-second-'))
    const server = await startEmbeddedServer({ directory, settings: { fsync: 'off', synchronous_commit: 'off', shared_buffers: '32MB' } })
    const admin = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-setup', connectionsMax: 1 })
    await ensureRoles(admin, passwords)
    await secureServer(admin)
    await admin.close()
    return { ...server, directory }
  })()
  return await second
}

after(async () => {
  const server = await second
  await server?.stop()
  if (server !== undefined) await rm(server.directory, { recursive: true, force: true })
})

async function registerServer(
  writer: ControlPool,
  secrets: Map<string, string>,
  { superuserUrl, port }: EmbeddedServer,
  region: string,
): Promise<string> {
  const name = `own-${randomBytes(4).toString('hex')}`
  await writer.query(`insert into partywall.servers (name, region, host, port, tenants_max) values ($1, $2, '127.0.0.1', $3, 1)`, [
    name,
    region,
    port,
  ])
  secrets.set(`server/${name}/admin`, superuserUrl)
  secrets.set(`server/${name}/migrator`, passwords.migrator)
  return name
}

async function dropEverything({ catalog, connections, placements, schemas }: Fleet): Promise<void> {
  const rows = await catalog.superuser.query<{ name: string; server: string }>(
    `select d.name, d.server_name as server from partywall.databases as d where d.name <> all ($1) and exists (select from partywall.servers as s where s.name = d.server_name and (s.port is null or s.port <> 1))`,
    [schemaless],
  )
  for (const { name, server } of rows) {
    await connections.letGo(name)
    await connections.asAdministrator(server, async (admin) => {
      await admin.query(`drop database if exists "${name}" with (force)`)
      if (name !== schemas) await admin.query(`drop role if exists "${name}"`)
    })
  }
  await placements.templates.dropAll('main')
}
