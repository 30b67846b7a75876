// A stage for moves: a catalog with shared tables, a database for schemas and one for other shared tables beside it, and servers that
// wait for tenants of their own. Two tenants at least are in every test: the one who moves, and one who must not notice.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memorySecrets } from '../../src/core/memory-secret-store.ts'
import type { Isolation } from '../../src/core/placement.ts'
import type { SecretStore } from '../../src/core/secret-store.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { type Fleet, type FleetOptions, openFleet } from '../../src/fleet.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { databaseUrl } from '../../src/postgres/database.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from './database.ts'

export interface MoveStage {
  readonly catalog: TestDatabase
  readonly second: EmbeddedServer
  readonly fleet: Fleet
  readonly tenancy: Tenancy
  readonly secrets: SecretStore
  /** The database for schemas, by its name in the catalog. */
  readonly schemas: string
  /** Another process's fleet, on the same catalog. Close it. */
  anotherFleet(): Promise<Fleet>
  /** A tenant with so many documents. */
  tenant(slug: string, isolation: Isolation, rows: number): Promise<Tenant>
  /** How many documents the tenant sees. */
  count(slug: string): Promise<number>
  titles(slug: string): Promise<readonly string[]>
  insert(slug: string, title: string): Promise<void>
  /** Statements of a superuser where the tenant is served now: the ground truth. */
  alice<Row extends object>(database: string, text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** What moves have left behind on both servers. Nothing, when all is well. */
  leftovers(): Promise<readonly string[]>
  strike(): Promise<void>
}

const migrations = new URL('../../examples/documents/migrations/', import.meta.url)
const plans = { free: {} }

/** @param wire Stands before the server for tenants of their own: given its URL, it answers with that of a proxy. */
export async function moveStage(wire: (url: string) => Promise<string> = async (url) => url): Promise<MoveStage> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-moves-'))
  const catalog = await testDatabase()
  const second = await startEmbeddedServer({ directory, settings: { fsync: 'off', shared_buffers: '32MB', max_connections: 100 } })
  const secrets = memorySecrets()
  const { gatekeeper, migrator, app, superuser } = catalog.urls
  await secrets.put('server/main/admin', superuser)
  const options: FleetOptions = { catalog: gatekeeper, admin: migrator, secrets, plans, migrations }
  const fleet = await openFleet(options)
  await fleet.migrateMain()
  await fleet.servers.add({
    name: 'shelf',
    region: 'default',
    adminUrl: await wire(second.superuserUrl),
    labels: { dedicated: true },
    tenantsMax: 1,
  })
  const schemas = `${catalog.name}_${randomBytes(3).toString('hex')}`
  await fleet.placements.schemaDatabases.create({ server: 'main', name: schemas })
  const tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets, plans })
  const pools = new Map<string, ControlPool>()
  const inScope = async <T>(slug: string, text: string, values: readonly unknown[] = []): Promise<readonly T[]> =>
    await tenancy.run(slug, async () => (await tenancy.pool().query(text, [...values])).rows as T[])
  const stage: MoveStage = {
    catalog,
    second,
    fleet,
    tenancy,
    secrets,
    schemas,
    anotherFleet: async () => await openFleet(options),
    tenant: async (slug, isolation, rows) => {
      await fleet.tenants.onboard({ slug, name: slug, plan: 'free', isolation })
      if (rows > 0)
        await inScope(slug, `insert into documents (title) select $1 || g from generate_series(1, $2::int) as g`, [`${slug} `, rows])
      return (await fleet.catalog.find({ kind: 'slug', slug: slug as Tenant['slug'] }))!
    },
    count: async (slug) => Number((await inScope<{ n: string }>(slug, 'select count(*) as n from documents'))[0]!.n),
    titles: async (slug) =>
      (await inScope<{ title: string }>(slug, 'select title from documents order by title')).map(({ title }) => title),
    insert: async (slug, title) => void (await inScope(slug, 'insert into documents (title) values ($1)', [title])),
    alice: async <Row extends object>(database: string, text: string, values: readonly unknown[] = []) => {
      const [row] = await catalog
        .superuserIn('partywall')
        .query<{ server: string; name: string }>(
          `select d.server_name as server, d.database_name as name from partywall.databases as d where d.name = $1`,
          [database],
        )
      const base = row?.server === 'main' ? superuser : second.superuserUrl
      const url = database === 'main' ? superuser : databaseUrl(base, { database: row?.name ?? database })
      const pool = pools.get(url) ?? new ControlPool({ connectionString: url, applicationName: 'alice', connectionsMax: 1 })
      pools.set(url, pool)
      return await pool.query<Row>(text, values)
    },
    leftovers: async () => {
      const found: string[] = []
      // Other tests move tenants on the first of the servers too.
      const moves = await catalog.superuserIn('partywall').query<{ id: string }>('select m.id::text as id from partywall.moves as m')
      const ids = moves.map(({ id }) => id.replaceAll('-', ''))
      for (const url of [superuser, second.superuserUrl]) {
        const pool = new ControlPool({ connectionString: url, applicationName: 'alice', connectionsMax: 1 })
        const rows = await pool.query<{ told: string }>(
          `select l.told
             from (
               select 'slot ' || s.slot_name as told, substr(s.slot_name, 7, 32) as id from pg_catalog.pg_replication_slots as s
                union all select 'role ' || r.rolname, substr(r.rolname, 7, 32) from pg_catalog.pg_roles as r
                union all select 'subscription ' || s.subname, substr(s.subname, 7, 32) from pg_catalog.pg_subscription as s
                union all select 'publication ' || p.pubname, substr(p.pubname, 7, 32) from pg_catalog.pg_publication as p
             ) as l
            where l.id = any ($1)`,
          [ids],
        )
        found.push(...rows.map(({ told }) => told))
        await pool.close()
      }
      return found
    },
    strike: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()))
      await tenancy.close()
      for (const { id } of (await fleet.catalog.list({ limit: 100 })).tenants) {
        await fleet.moves
          .cancel(id)
          .catch(async () => await fleet.moves.complete(id))
          .catch(() => {})
        await fleet.tenants.offboard(id, { reason: 'The test is over.', now: true }).catch(() => {})
      }
      await fleet.placements.templates.dropAll('main')
      await fleet.close()
      await catalog.superuser.query(`drop database if exists ${schemas} with (force)`)
      await second.stop()
      await rm(second.dataDirectory, { recursive: true, force: true })
      await rm(directory, { recursive: true, force: true })
    },
  }
  return stage
}
