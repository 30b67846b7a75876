// The cast of every isolation test. Alice owns the database, bob and carol are tenants, dave is suspended, eve attacks.

import type { TestContext } from 'node:test'
import type { Tenant } from '../../src/core/tenant.ts'
import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from './database.ts'

/** A tenancy on a database of its own, with tables that hold rows of bob and of carol. */
export interface Stage {
  readonly database: TestDatabase
  readonly tenancy: Tenancy
  readonly bob: Tenant
  readonly carol: Tenant
  readonly dave: Tenant
  /** A statement as alice: she sees every row, and is the ground truth against which leaks are counted. */
  alice<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
}

/** Each tenant's rows carry its name, so that a leak speaks. */
export const rowsPerTenant = 5

const tables = `
  set role partywall_owner;
  create table app.folders (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    name text not null,
    constraint folders_pkey primary key (tenant_id, id),
    constraint folders_name_key unique (tenant_id, name)
  );
  create table app.notes (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    folder_id uuid,
    title text not null,
    body text not null default '',
    number integer not null default 0,
    created_at timestamptz not null default now(),
    constraint notes_pkey primary key (tenant_id, id),
    constraint notes_title_key unique (tenant_id, title),
    constraint notes_folder_fkey foreign key (tenant_id, folder_id) references app.folders (tenant_id, id)
  );
  create index notes_created_at_idx on app.notes (tenant_id, created_at desc);
  create index notes_folder_idx on app.notes (tenant_id, folder_id);
  select partywall.protect('app.folders');
  select partywall.protect('app.notes');
  create table app.countries (code text primary key, name text not null);
  insert into app.countries (code, name) values ('de', 'Germany'), ('nl', 'Netherlands');
  select partywall.declare_global('app.countries', 'Countries are the same for everybody.');
  reset role;
`

/**
 * Sets the stage and strikes it after the test. In a `before` hook of a file, call it without a test.
 *
 * @param options overrides of the tenancy's options, e.g. a pool of one connection.
 */
export async function stage(t?: TestContext, options: Partial<TenancyOptions> = {}): Promise<Stage> {
  const database = await testDatabase(t)
  await database.superuser.query(tables)
  const tenancy = await createTenancy({
    catalog: database.urls.gatekeeper,
    database: database.urls.app,
    admin: database.urls.migrator,
    ...options,
  })
  t?.after(() => tenancy.close())
  const [bob, carol, dave] = [await create(tenancy, 'bob'), await create(tenancy, 'carol'), await create(tenancy, 'dave')]
  for (const tenant of [bob, carol, dave]) {
    await database.superuser.query(
      `with folder as (
         insert into app.folders (tenant_id, name) values ($1, $2 || '''s folder') returning id
       )
       insert into app.notes (tenant_id, folder_id, title, body, number)
       select $1, folder.id, $2 || '''s note ' || g, 'secret of ' || $2, g
         from folder, generate_series(1, ${rowsPerTenant}) as g`,
      [tenant.id, tenant.slug],
    )
  }
  await tenancy.tenants.suspend('dave', { reason: 'The cast needs a suspended tenant.' })
  return {
    database,
    tenancy,
    bob,
    carol,
    dave: (await tenancy.tenants.find({ kind: 'id', id: dave.id }))!,
    alice: (text, values) => database.superuser.query(text, values),
  }
}

async function create(tenancy: Tenancy, slug: string): Promise<Tenant> {
  return await tenancy.tenants.create({ slug, name: slug[0]!.toUpperCase() + slug.slice(1) })
}
