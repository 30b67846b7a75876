// The cast of every isolation test. Alice owns the databases, bob and carol are tenants, dave is suspended, eve attacks.
// The tenants live wherever this run's placement is (isolation.ts). Statements name tables without a schema, as applications do.

import type { TestContext } from 'node:test'
import type { GateState } from '../../src/core/placement-adapter.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { CreateTenantInput } from '../../src/core/tenants.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { Housing, type Place } from './housing.ts'

/** A tenancy on a catalog of its own, with tables that hold rows of bob, of carol and of dave. */
export interface Stage extends Views {
  /** The catalog's. */
  readonly database: TestDatabase
  readonly tenancy: Tenancy
  readonly bob: Tenant
  readonly carol: Tenant
  readonly dave: Tenant
}

/** Rows as alice sees them: all of them. She is the ground truth against which leaks are counted. */
type Alice = <Row extends object>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>
type Who = Pick<Tenant, 'id'>

/** What a stage lets one see and do, wherever its tenants live. */
export interface Views {
  /** With what one opens another tenancy on the same stage. */
  readonly access: Pick<TenancyOptions, 'catalog' | 'database' | 'admin' | 'secrets'>
  /** A statement as alice, in every place where a tenant's rows are: once in each, and what it shows, one after another. */
  readonly alice: Alice
  /** The same where one tenant's rows are. Where tenants share a database she sees the others' capabilities and sessions too. */
  aliceIn<Row extends object>(tenant: Who, text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  readonly aliceInCatalog: Alice
  /** As the owner, in every database and schema, now and in those to come. */
  migrate(text: string): Promise<void>
  placeOf(tenant: Who): Place
  /** Moves the gate where the tenant's rows are. */
  setGate(tenant: Who, state: GateState): Promise<void>
  /** Suspends and resumes, in the catalog and where the rows are: at once, and known to the stage's tenancy. */
  suspend(tenant: Who): Promise<void>
  resume(tenant: Who): Promise<void>
  /** A new tenant, in a place of its own like the others. */
  join(input: CreateTenantInput): Promise<Tenant>
}

/** Each tenant's rows carry its name, so that a leak speaks. */
export const rowsPerTenant = 5

const tables = `
  create table folders (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    name text not null,
    constraint folders_pkey primary key (tenant_id, id),
    constraint folders_name_key unique (tenant_id, name)
  );
  create table notes (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    folder_id uuid,
    title text not null,
    body text not null default '',
    number integer not null default 0,
    created_at timestamptz not null default now(),
    constraint notes_pkey primary key (tenant_id, id),
    constraint notes_title_key unique (tenant_id, title),
    constraint notes_folder_fkey foreign key (tenant_id, folder_id) references folders (tenant_id, id)
  );
  create index notes_created_at_idx on notes (tenant_id, created_at desc);
  create index notes_folder_idx on notes (tenant_id, folder_id);
  select partywall.protect('folders');
  select partywall.protect('notes');
  create table countries (code text primary key, name text not null);
  insert into countries (code, name) values ('de', 'Germany'), ('nl', 'Netherlands');
  select partywall.declare_global('countries', 'Countries are the same for everybody.')
`

/**
 * Sets the stage and strikes it after the test. In a `before` hook of a file, call it without a test.
 *
 * @param options overrides of the tenancy's options, e.g. a pool of one connection.
 */
export async function stage(t?: TestContext, options: Partial<TenancyOptions> = {}): Promise<Stage> {
  const { database, housing, access } = await groundFor(t)
  await housing.migrate(tables)
  const tenancy = await createTenancy({ ...access, ...options, pool: { ownConnectionsMax: options.pool?.connectionsMax, ...options.pool } })
  t?.after(() => tenancy.close())
  const views = viewsOf({ database, housing, access }, tenancy)
  const [bob, carol, dave] = [await create(views, 'bob'), await create(views, 'carol'), await create(views, 'dave')]
  for (const tenant of [bob, carol, dave]) {
    await views.aliceIn(
      tenant,
      `with folder as (
         insert into folders (tenant_id, name) values ($1, $2 || '''s folder') returning id
       )
       insert into notes (tenant_id, folder_id, title, body, number)
       select $1, folder.id, $2 || '''s note ' || g, 'secret of ' || $2, g
         from folder, generate_series(1, ${rowsPerTenant}) as g`,
      [tenant.id, tenant.slug],
    )
  }
  await views.suspend(dave)
  return { ...views, database, tenancy, bob, carol, dave: (await tenancy.tenants.find({ kind: 'id', id: dave.id }))! }
}

export interface Ground {
  readonly database: TestDatabase
  readonly housing: Housing
  readonly access: Views['access']
}

/** A catalog and nobody housed, for a stage of another kind. */
export async function groundFor(t?: TestContext): Promise<Ground> {
  const database = await testDatabase(t)
  const housing = new Housing(database, t)
  const { gatekeeper, app, migrator } = database.urls
  return { database, housing, access: { catalog: gatekeeper, database: app, admin: migrator, secrets: housing.secrets } }
}

/** The views of a stage on such a ground. */
export function viewsOf({ database, housing, access }: Ground, tenancy: Tenancy): Views {
  const aliceIn: Views['aliceIn'] = async (tenant, text, values) => await housing.placeOf(tenant).alice.query(text, values)
  // Away from the catalog's database it takes two steps, and what does both is an operation (src/operations/).
  const setStatus = async ({ id }: Who, status: 'active' | 'suspended'): Promise<void> => {
    const [row] = await database.superuser.query<{ name: string }>(
      'update partywall.tenants set status = $2 where id = $1 returning name',
      [id, status],
    )
    await aliceIn({ id }, 'select partywall.set_gate($1, $2)', [id, status === 'active' ? 'open' : 'suspended'])
    await tenancy.tenants.update(id, { name: row!.name })
  }
  return {
    access,
    aliceIn,
    alice: async <Row extends object>(text: string, values?: readonly unknown[]) => {
      const rows: Row[] = []
      // Several statements in one text show no rows.
      for (const { alice } of housing.places()) rows.push(...((await alice.query<Row>(text, values)) ?? []))
      return rows
    },
    aliceInCatalog: async (text, values) => await database.superuserIn('app').query(text, values),
    migrate: async (text) => await housing.migrate(text),
    placeOf: (tenant) => housing.placeOf(tenant),
    setGate: async (tenant, state) => void (await aliceIn(tenant, 'select partywall.set_gate($1, $2)', [tenant.id, state])),
    suspend: async (tenant) => await setStatus(tenant, 'suspended'),
    resume: async (tenant) => await setStatus(tenant, 'active'),
    join: async (input) => {
      const tenant = await tenancy.tenants.create(input)
      await housing.house(tenant, async ({ isolation, database: name, schema }) => {
        await database
          .superuserIn('app')
          .query('update partywall.tenants set isolation = $2, database_name = $3, schema_name = $4 where id = $1', [
            tenant.id,
            isolation,
            name,
            schema,
          ])
        // This process knows it at once.
        await tenancy.tenants.update(tenant.id, { name: tenant.name })
      })
      return (await tenancy.tenants.find({ kind: 'id', id: tenant.id }))!
    },
  }
}

async function create(views: Views, slug: string): Promise<Tenant> {
  return await views.join({ slug, name: slug[0]!.toUpperCase() + slug.slice(1) })
}
