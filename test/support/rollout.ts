// A fleet to migrate: the catalog's own database, one for schemas with as many tenants as a test wants, and a directory of migrations.
// Tenants are written by hand: what is tested here is not how they are made.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Actor } from '../../src/core/actor.ts'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { FleetConnections } from '../../src/postgres/fleet-connections.ts'
import { readMigrations } from '../../src/postgres/migrations/migration-set.ts'
import { Rollout, type RolloutOptions } from '../../src/postgres/rollout/rollout.ts'
import { type TestDatabase, testDatabase } from './database.ts'

export interface StagedTenant {
  readonly id: string
  readonly slug: string
  readonly schema: string
}

export interface RolloutStage {
  readonly catalog: TestDatabase
  /** The database for schemas; in the catalog it has this very name. */
  readonly schemas: TestDatabase
  readonly auditTrail: MemoryAuditTrail
  /** The directory of the migrations. */
  readonly directory: URL
  write(file: string, text: string): Promise<void>
  /** Over the files as they are now. */
  rollout(options?: Partial<RolloutOptions>): Promise<Rollout>
  /** Makes tenants `<prefix>-0001` and so on, each with an empty schema. */
  tenants(
    count: number,
    row?: { readonly prefix?: string; readonly plan?: string; readonly settings?: object },
  ): Promise<readonly StagedTenant[]>
  /** Makes a database of a tenant's own. @returns its name. */
  ownDatabase(tenant?: { readonly slug: string }): Promise<TestDatabase>
  /** How many schemas have which version, as their own ledger says; each file counted once for each schema. */
  ledger(): Promise<Readonly<Record<string, number>>>
  /** What the catalog says. */
  versions(): Promise<Readonly<Record<string, number>>>
}

export const actor: Actor = { kind: 'staff', id: 'alice' }

export async function rolloutStage(t: TestContext): Promise<RolloutStage> {
  const catalog = await testDatabase(t)
  const schemas = await testDatabase(t)
  const open = (connectionString: string, connectionsMax: number) =>
    new ControlPool({ connectionString, applicationName: 'test-rollout', connectionsMax, statementTimeoutMs: 60_000 })
  const [reader, writer] = [open(catalog.urls.gatekeeper, 2), open(catalog.urls.migrator, 6)]
  const connections = new FleetConnections({ reader, admin: catalog.urls.migrator, secrets: { get: async () => undefined } })
  const path = await mkdtemp(join(tmpdir(), 'partywall-rollout-'))
  t.after(async () => {
    await connections.close()
    await reader.close()
    await writer.close()
    await rm(path, { recursive: true, force: true })
  })
  const directory = pathToFileURL(`${path}/`)
  const auditTrail = new MemoryAuditTrail()
  await register(catalog, schemas.name, 'schema')
  return {
    catalog,
    schemas,
    auditTrail,
    directory,
    write: (file, text) => writeFile(join(path, file), text),
    rollout: async (options = {}) => {
      const set = await readMigrations(directory)
      return new Rollout({ reader, writer, connections, set, auditTrail, concurrency: 2, ...options })
    },
    tenants: async (count, { prefix = 'tenant', plan = 'free', settings = {} } = {}) => {
      const made = await catalog.superuser.query<StagedTenant>(
        `insert into partywall.tenants (slug, name, plan, settings, isolation, database_name, schema_name)
         select $1 || '-' || lpad(g::text, 4, '0'), 'Tenant', $2, $3::jsonb, 'schema', $4, 't_' || substr(md5($1 || g || $4), 1, 24)
           from generate_series(1, $5::integer) as g
         returning id, slug, schema_name as schema`,
        [prefix, plan, JSON.stringify(settings), schemas.name, count],
      )
      await schemas.superuser.query(made.map(({ schema }) => `create schema ${schema} authorization partywall_owner;`).join('\n'))
      return [...made].sort((a, b) => (a.slug < b.slug ? -1 : 1))
    },
    ownDatabase: async (tenant) => {
      const own = await testDatabase(t)
      const id = tenant === undefined ? null : randomUUID()
      await register(catalog, own.name, 'tenant', id)
      if (tenant !== undefined) {
        await catalog.superuser.query(
          `insert into partywall.tenants (id, slug, name, isolation, database_name) values ($1, $2, 'Tenant', 'database', $3)`,
          [id, tenant.slug, own.name],
        )
      }
      return own
    },
    ledger: () =>
      counted(schemas, `select version, count(*)::int as count from partywall.ledger where schema_name <> 'app' group by version`),
    versions: () =>
      counted(catalog, `select coalesce(version, 'none') as version, count(*)::int as count from partywall.places group by version`),
  }
}

async function register(catalog: TestDatabase, name: string, holds: 'schema' | 'tenant', tenantId: string | null = null): Promise<void> {
  await catalog.superuser.query(
    `insert into partywall.databases (name, server_name, database_name, holds, tenant_id, login, secret_name, state)
     values ($1, 'main', $1, $2, $3, $4, $5, case when $2 = 'tenant' and $3::uuid is null then 'stock' else 'ready' end)`,
    [name, holds, tenantId, holds === 'tenant' ? name : null, holds === 'tenant' ? `tenant/${tenantId}/login` : null],
  )
}

async function counted({ superuser }: TestDatabase, text: string): Promise<Readonly<Record<string, number>>> {
  const rows = await superuser.query<{ version: string; count: number }>(text)
  return Object.fromEntries(rows.map(({ version, count }) => [version, count]))
}
