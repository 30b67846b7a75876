// A fleet with backups: a tenant in each of the four placements, neighbours beside them, and tables with values that are easily broken.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../../src/core/clock.ts'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { memorySecrets } from '../../src/core/memory-secret-store.ts'
import type { SecretStore } from '../../src/core/secret-store.ts'
import { TenantNotFoundError } from '../../src/errors.ts'
import { type Fleet, openFleet } from '../../src/fleet.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import type { ObjectStore } from '../../src/objects/object-store.ts'
import type { PurgeStore } from '../../src/operations/purge-store.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { frugalSettings } from './fleet-server.ts'

const tables = `
create table folders (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default gen_random_uuid(),
  name text not null,
  parent_id uuid,
  primary key (tenant_id, id),
  unique (tenant_id, name),
  foreign key (tenant_id, parent_id) references folders (tenant_id, id) deferrable initially deferred
);
create index on folders (tenant_id, parent_id);
create table notes (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default gen_random_uuid(),
  folder_id uuid not null,
  body text,
  bytes bytea,
  price numeric,
  at timestamptz not null default clock_timestamp(),
  tags text[],
  data jsonb,
  length integer generated always as (length(body)) stored,
  primary key (tenant_id, id),
  foreign key (tenant_id, folder_id) references folders (tenant_id, id) on delete cascade
);
create index on notes (tenant_id, folder_id);
create table "odd ""Table""" (
  tenant_id uuid not null default partywall.tenant_id(),
  "Key" text not null,
  primary key (tenant_id, "Key")
);
select partywall.protect('folders');
select partywall.protect('notes');
select partywall.protect('"odd ""Table"""');
`

/** A table that knows its tenants by a number: in a place of one tenant's own, that tenant has to have one. */
export const keyedTable = `
create table ledger (account bigint not null, id uuid not null default gen_random_uuid(), amount numeric, primary key (account, id));
select partywall.protect('ledger', 'account');
`

export const castOfBackups = [
  { slug: 'acme', plan: 'free', isolation: 'pooled' },
  { slug: 'globex', plan: 'team', isolation: 'schema' },
  { slug: 'initech', plan: 'business', isolation: 'database' },
  { slug: 'umbrella', plan: 'enterprise', isolation: 'server' },
] as const

const plans = {
  free: {},
  team: { placement: 'schema' },
  business: { placement: 'database' },
  enterprise: { placement: 'server' },
} as const

/** What a text can do to a format with lines and tabs. */
export const hostileBodies: readonly (string | null)[] = [
  'plain',
  null,
  '',
  '\\N',
  '\\.',
  'a\tb\nc\r\nd\\e\b\f\v',
  'ünïcödé 🌍',
  "'; drop table notes; --",
  'x'.repeat(300_000),
]

export interface BackupFleet {
  readonly catalog: TestDatabase
  readonly fleet: Fleet
  readonly tenancy: Tenancy
  readonly secrets: SecretStore
  readonly store: ObjectStore
  readonly auditTrail: MemoryAuditTrail
  /** Another fleet over the same catalog and store. */
  reopened(over: { readonly clock?: Clock; readonly store?: ObjectStore; readonly secrets?: SecretStore }): Promise<Fleet>
  /** Gives the tenant rows in every table. */
  fill(slug: string, label: string): Promise<void>
  rowsOf(slug: string): Promise<readonly object[]>
  strike(): Promise<void>
}

/** Call it in `before`, and `strike()` in `after`. */
export async function backupFleet(
  options: {
    readonly store?: ObjectStore
    readonly withServer?: boolean
    readonly more?: string
    /** What else holds something of a tenant. */
    readonly stores?: readonly PurgeStore[]
  } = {},
): Promise<BackupFleet> {
  const { store = memoryStore(), withServer = true, more = '', stores } = options
  const directory = await mkdtemp(join(tmpdir(), 'partywall-backups-'))
  await writeFile(join(directory, '0001-tables.sql'), tables + more)
  const migrations = pathToFileURL(`${directory}/`)
  const catalog = await testDatabase()
  const second: EmbeddedServer | undefined = withServer
    ? await startEmbeddedServer({ directory: join(directory, 'second'), settings: frugalSettings })
    : undefined
  const { gatekeeper, migrator, app, superuser } = catalog.urls
  const secrets = memorySecrets({ 'server/main/admin': superuser })
  const auditTrail = new MemoryAuditTrail()
  const reopened: BackupFleet['reopened'] = async (over) =>
    await openFleet({
      catalog: gatekeeper,
      admin: migrator,
      secrets: over.secrets ?? secrets,
      plans,
      migrations,
      backups: { store: over.store ?? store },
      stores,
      auditTrail,
      clock: over.clock,
    })
  const fleet = await reopened({})
  await fleet.migrateMain()
  if (second !== undefined) {
    await fleet.servers.add({ name: 'shelf', region: 'default', adminUrl: second.superuserUrl, labels: { dedicated: true }, tenantsMax: 1 })
  }
  await fleet.placements.schemaDatabases.create({ server: 'main', name: `${catalog.name}_schemas` })
  const tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets, plans })
  return {
    catalog,
    fleet,
    tenancy,
    secrets,
    store,
    auditTrail,
    reopened,
    fill: async (slug, label) => await fill(tenancy, slug, label),
    rowsOf: async (slug) => await rowsOf(tenancy, slug),
    async strike() {
      await tenancy.close()
      for (const { slug } of [...(await fleet.catalog.list()).tenants].reverse()) {
        await fleet.tenants.offboard(slug, { reason: 'The test is over.', now: true }).catch((error: unknown) => {
          if (!(error instanceof TenantNotFoundError)) throw error
        })
      }
      await fleet.placements.templates.dropAll('main')
      await fleet.connections.letGo(`${catalog.name}_schemas`)
      await fleet.close()
      await catalog.superuser.query(`drop database if exists ${catalog.name}_schemas with (force)`)
      await second?.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function fill(tenancy: Tenancy, slug: string, label: string): Promise<void> {
  await tenancy.run(slug, async ({ tenant }) => {
    await tenancy.transaction(async (tx) => {
      const [root, child] = [crypto.randomUUID(), crypto.randomUUID()]
      const insert = 'insert into folders (tenant_id, id, name, parent_id) values ($1, $2, $3, $4)'
      // The child first: the reference is checked at the end.
      await tx.query(insert, [tenant.id, child, `${label} child`, root])
      await tx.query(insert, [tenant.id, root, `${label} root`, null])
      for (const [index, body] of hostileBodies.entries()) {
        await tx.query('insert into notes (tenant_id, folder_id, body, bytes, price, tags, data) values ($1, $2, $3, $4, $5, $6, $7)', [
          tenant.id,
          child,
          body,
          Buffer.from([0, 10, 9, 92, index]),
          `${index}.10`,
          ['a\tb', `{"${label}"}`],
          { label, n: [index] },
        ])
      }
      await tx.query('insert into "odd ""Table""" (tenant_id, "Key") values ($1, $2)', [tenant.id, `${label}\n`])
    })
  })
}

/** Everything that the tenant has, but for the tenant's id. */
async function rowsOf(tenancy: Tenancy, slug: string): Promise<readonly object[]> {
  return await tenancy.run(slug, async () => {
    const all: object[] = []
    for (const table of ['folders', 'notes', '"odd ""Table"""']) {
      const { rows } = await tenancy.query<{ row: object }>(`select to_jsonb(t) - 'tenant_id' as row from ${table} as t order by 1`)
      all.push(...rows.map(({ row }) => row))
    }
    return all
  })
}
