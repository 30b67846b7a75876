// Where the checker works: three servers, a catalog, tenants; and what a superuser finds there, past every wall.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Isolation, Placement } from '../../../src/core/placement.ts'
import type { Tenant } from '../../../src/core/tenant.ts'
import { DatabaseUnavailableError } from '../../../src/errors.ts'
import { type Fleet, openFleet } from '../../../src/fleet.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { databaseUrl } from '../../../src/postgres/database.ts'
import { installPartywall } from '../../../src/postgres/install.ts'
import { secureServer } from '../../../src/postgres/placements/secure-server.ts'
import { quoted } from '../../../src/postgres/table-shape.ts'
import { fileSecrets } from '../../../src/secrets/file.ts'
import { createTenancy } from '../../../src/tenancy.ts'
import { passwords, urlFor } from '../template.ts'
import { KillableServer } from './killable-server.ts'
import type { Truth } from './verdict.ts'

export const serverNames = ['main', 'side', 'shelf'] as const
export type ServerName = (typeof serverNames)[number]

export interface MoveRow {
  readonly id: string
  readonly state: string
  readonly serving: 'source' | 'target'
  readonly wish: string | null
  readonly source: Placement
  readonly target: Placement
  readonly problem: { readonly code: string; readonly message: string } | null
}

const catalogName = 'catalog'
const queryTriesMax = 50
const fenceLooksMax = 2_000
const tables = ['entries', 'counters', 'registers', 'parents', 'children', 'ballast'] as const

export class Ground {
  readonly directory: string
  readonly secrets: string
  readonly servers: Readonly<Record<ServerName, KillableServer>>
  readonly urls: { readonly superuser: string; readonly gatekeeper: string; readonly migrator: string; readonly app: string }
  readonly fleet: Fleet
  readonly #pools = new Map<string, ControlPool>()

  private constructor(parts: Pick<Ground, 'directory' | 'secrets' | 'servers' | 'urls' | 'fleet'>) {
    this.directory = parts.directory
    this.secrets = parts.secrets
    this.servers = parts.servers
    this.urls = parts.urls
    this.fleet = parts.fleet
  }

  static async make(): Promise<Ground> {
    const directory = await mkdtemp(join(tmpdir(), 'partywall-checker-'))
    const [main, side, shelf] = await Promise.all(serverNames.map((name) => KillableServer.start(join(directory, name))))
    const servers = { main: main!, side: side!, shelf: shelf! }
    const server = new ControlPool({ connectionString: servers.main.superuserUrl, applicationName: 'checker', connectionsMax: 1 })
    await server.query(`create database ${catalogName}`)
    await secureServer(server)
    await server.close()
    const superuser = urlFor(servers.main.superuserUrl, catalogName)
    await installPartywall({ connectionString: superuser, passwords })
    const login = (name: keyof typeof passwords): string =>
      urlFor(servers.main.superuserUrl, catalogName, { name: `partywall_${name}`, password: passwords[name] })
    const urls = { superuser, gatekeeper: login('gatekeeper'), migrator: login('migrator'), app: login('app') }
    const secretsDirectory = join(directory, 'secrets')
    const secrets = fileSecrets({ directory: secretsDirectory })
    await secrets.put('server/main/admin', superuser)
    const migrations = new URL('./migrations/', import.meta.url)
    const fleet = await openFleet({ catalog: urls.gatekeeper, admin: urls.migrator, secrets, plans: { free: {} }, migrations })
    await fleet.migrateMain()
    await fleet.servers.add({ name: 'side', region: 'default', adminUrl: servers.side.superuserUrl })
    await fleet.servers.add({
      name: 'shelf',
      region: 'default',
      adminUrl: servers.shelf.superuserUrl,
      labels: { dedicated: true },
      tenantsMax: 1,
    })
    await fleet.placements.schemaDatabases.create({ server: 'side', name: 'schemas' })
    return new Ground({ directory, secrets: secretsDirectory, servers, urls, fleet })
  }

  /** A tenant with so many rows that are never written again, and its counters. */
  async tenant(slug: string, isolation: Isolation, ballast: number): Promise<Tenant> {
    await this.fleet.tenants.onboard({ slug, name: slug, plan: 'free', isolation })
    const tenancy = await createTenancy({
      catalog: this.urls.gatekeeper,
      database: this.urls.app,
      secrets: fileSecrets({ directory: this.secrets }),
      plans: { free: {} },
    })
    await tenancy.run(slug, async () => {
      const pool = tenancy.pool()
      await pool.query(`insert into counters (name) values ('all'), ('families')`)
      await pool.query(`insert into ballast (id, content) select g, repeat(md5(g::text), 8) from generate_series(1, $1::int) as g`, [
        ballast,
      ])
    })
    await tenancy.close()
    return await this.find(slug)
  }

  async find(slug: string): Promise<Tenant> {
    const tenant = await this.fleet.catalog.find({ kind: 'slug', slug: slug as Tenant['slug'] })
    if (tenant === undefined) throw new RangeError(`There is no tenant ${slug}.`)
    return tenant
  }

  /** The tenant's last move; undefined when there is none, or while the catalog is away. */
  async lastMove(tenantId: string): Promise<MoveRow | undefined> {
    const rows = await this.#pool(this.urls.superuser)
      .query<MoveRow>(
        `select m.id, m.state, m.serving, m.wish, m.source, m.target, m.problem
           from partywall.moves as m where m.tenant_id = $1 order by m.id desc limit 1`,
        [tenantId],
      )
      .catch(() => [])
    return rows[0]
  }

  async alice<Row extends object>(placement: Placement, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const [row] = await this.#query<{ server: ServerName; name: string }>(
      this.urls.superuser,
      'select d.server_name as server, d.database_name as name from partywall.databases as d where d.name = $1',
      [placement.database],
    )
    const isMain = placement.database === 'main'
    const base = this.servers[isMain ? 'main' : (row?.server ?? 'main')].superuserUrl
    return await this.#query<Row>(databaseUrl(base, { database: isMain ? catalogName : row!.name }), text, values)
  }

  /** Nobody can commit or give up the fence of a move while `fn` runs; it is told the fence. Waits for one; gives up after some seconds. */
  async whileHeld(moveId: string, to: Placement, fn: (fence: number) => Promise<void>): Promise<void> {
    // Connected before it counts.
    await this.alice(to, 'select 1')
    // Seen and held in one statement: a fence stands for some ten milliseconds.
    for (let times = 0; times < fenceLooksMax; times += 1) {
      let isOver = false
      const holding = this.#pool(this.urls.superuser).transaction(async (connection) => {
        const [row] = await connection.query<{ fence: string }>(
          `select m.fence from partywall.moves as m where m.id = $1 and m.state = 'fencing' for update`,
          [moveId],
        )
        if (row !== undefined) await fn(Number(row.fence))
        isOver = true
        return row !== undefined
      })
      const wasHeld = await holding.catch((error: unknown) => {
        // What was killed may have been the catalog's server, and the hold with it.
        if (!isOver) throw error
        return true
      })
      if (wasHeld) return
      await wait(1)
    }
  }

  /** Waits for the marker of a fence at a place. */
  async showsMarker(to: Placement, { moveId, fence, waitMs }: { moveId: string; fence: number; waitMs: number }): Promise<boolean> {
    for (let waitedMs = 0; ; waitedMs += 1) {
      const rows = await this.alice(to, 'select from partywall.move_markers as m where m.move_id = $1 and m.fence >= $2', [moveId, fence])
      if (rows.length > 0) return true
      if (waitedMs >= waitMs) return false
      await wait(1)
    }
  }

  async truth({ id, placement }: Tenant): Promise<Truth> {
    const rows = async <Row extends object>(columns: string, table: string, rest = ''): Promise<readonly Row[]> =>
      await this.alice<Row>(placement, `select ${columns} from ${quoted(placement.schema)}.${table} as t where t.tenant_id = $1 ${rest}`, [
        id,
      ])
    const entries = await rows<{ key: string; n: number }>(
      `t.writer || ':' || t.seq as key, count(*)::int as n`,
      'entries',
      'group by t.writer, t.seq',
    )
    const named = async (name: string, table: string): Promise<ReadonlyMap<string, number>> =>
      new Map((await rows<{ name: string; value: number }>(`t.${name} as name, t.value`, table)).map((row) => [row.name, row.value]))
    const children = await rows<{ parent: string; n: number }>(
      't.parent_id as parent, count(*)::int as n',
      'children',
      'group by t.parent_id',
    )
    const childrenOf = new Map(children.map(({ parent, n }) => [parent, n]))
    const families = new Map<string, { parents: number; children: number }>()
    for (const { id: parent, key } of await rows<{ id: string; key: string }>(`t.id, t.writer || ':' || t.seq as key`, 'parents')) {
      const before = families.get(key) ?? { parents: 0, children: 0 }
      families.set(key, { parents: before.parents + 1, children: before.children + (childrenOf.get(parent) ?? 0) })
    }
    return {
      entries: new Map(entries.map(({ key, n }) => [key, n])),
      counters: await named('name', 'counters'),
      registers: await named('writer', 'registers'),
      families,
    }
  }

  /** Of rows that nobody writes. */
  async checksum({ id, placement }: Tenant, names: readonly (typeof tables)[number][] = ['ballast']): Promise<string> {
    const sums: string[] = []
    for (const name of names) {
      const [row] = await this.alice<{ sum: string }>(
        placement,
        `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as sum
           from ${quoted(placement.schema)}.${name} as t where t.tenant_id = $1`,
        [id],
      )
      sums.push(`${name} ${row!.sum}`)
    }
    return sums.join(', ')
  }

  /** What moves have left behind, anywhere. */
  async leftovers(tenant: Tenant): Promise<readonly string[]> {
    const found: string[] = []
    for (const name of serverNames) {
      const { superuserUrl } = this.servers[name]
      const told = await this.#query<{ told: string }>(
        superuserUrl,
        `select 'slot ' || s.slot_name as told from pg_catalog.pg_replication_slots as s
          union all select 'role ' || r.rolname from pg_catalog.pg_roles as r where starts_with(r.rolname, 'pw_tr_')
          union all select 'subscription ' || s.subname from pg_catalog.pg_subscription as s`,
      )
      found.push(...told.map((row) => `${row.told} on ${name}`))
      const databases = await this.#query<{ name: string }>(
        superuserUrl,
        `select d.datname as name from pg_catalog.pg_database as d where not d.datistemplate and d.datallowconn and d.datname <> 'postgres'`,
      )
      for (const database of databases) found.push(...(await this.#leftIn(name, database.name, tenant)))
    }
    return found
  }

  async #leftIn(server: ServerName, database: string, { id, placement }: Tenant): Promise<readonly string[]> {
    const url = databaseUrl(this.servers[server].superuserUrl, { database })
    const found = await this.#query<{ told: string }>(
      url,
      `select 'publication ' || p.pubname as told from pg_catalog.pg_publication as p
        union all
       select 'marker of ' || m.move_id from partywall.move_markers as m`,
    )
    const told = found.map((row) => `${row.told} in ${database} on ${server}`)
    const [known] = await this.#query<{ name: string }>(
      this.urls.superuser,
      'select d.name from partywall.databases as d where d.server_name = $1 and d.database_name = $2',
      [server, database],
    )
    const name = database === catalogName ? 'main' : known?.name
    if (name === undefined) return [...told, `the database ${database} on ${server}`]
    const stored = await this.#query<{ schema: string; table: string }>(
      url,
      `select n.nspname as schema, c.relname as table from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.relkind = 'r' and c.relname = any ($1) and (n.nspname = 'app' or n.nspname like 't\\_%')`,
      [tables],
    )
    for (const { schema, table } of stored) {
      if (name === placement.database && schema === placement.schema) continue
      const [row] = await this.#query<{ n: number }>(
        url,
        `select count(*)::int as n from ${quoted(schema)}.${quoted(table)} as t where t.tenant_id = $1`,
        [id],
      )
      if (row!.n > 0) told.push(`${row!.n} rows in ${schema}.${table} in ${database} on ${server}`)
    }
    return told
  }

  async strike(): Promise<void> {
    await this.fleet.close()
    for (const pool of this.#pools.values()) await pool.close()
    for (const name of serverNames) {
      const { dataDirectory } = this.servers[name]
      await this.servers[name].stop()
      await rm(dataDirectory, { recursive: true, force: true })
    }
    await rm(this.directory, { recursive: true, force: true })
  }

  /** A connection may be to a server that was killed since. */
  async #query<Row extends object>(url: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#pool(url).query<Row>(text, values)
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError) || tries === queryTriesMax) throw error
        await wait(100)
      }
    }
  }

  #pool(url: string): ControlPool {
    const pool = this.#pools.get(url) ?? new ControlPool({ connectionString: url, applicationName: 'checker', connectionsMax: 2 })
    this.#pools.set(url, pool)
    return pool
  }
}
