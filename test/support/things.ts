// A table with columns of many kinds, and thirty rows each of bob's and carol's, for tests of repositories.

import { createTenantContext } from '../../src/core/tenant-context.ts'
import type { TenantRepository } from '../../src/postgres/repository.ts'
import type { Stage } from './cast.ts'

export interface Thing {
  id: string
  name: string
  size: number | null
  price: string | null
  tags: string[]
  data: unknown
  made_at: Date
  bytes: Buffer | null
  'odd "name"': string | null
}

const table = `
  create table things (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    name text not null,
    size integer,
    price numeric,
    tags text[] not null default '{}',
    data jsonb not null default '{}',
    made_at timestamptz not null default clock_timestamp(),
    bytes bytea,
    "odd ""name""" text,
    double integer generated always as (size * 2) stored,
    primary key (tenant_id, id),
    constraint things_name_key unique (tenant_id, name),
    constraint things_size_check check (size < 1000000)
  );
  select partywall.protect('things');
  create table pairs (tenant_id uuid not null, a integer, b integer, primary key (tenant_id, a, b));
  select partywall.protect('pairs')
`

/** How many rows each has. */
export const thingsPerTenant = 30

/** Makes the table on the stage, and gives each of the two their rows. */
export async function thingsOn(scene: Stage): Promise<TenantRepository<Thing>> {
  await scene.migrate(table)
  const repository = scene.tenancy.repository<Thing>('things')
  for (const tenant of [scene.bob, scene.carol]) {
    const rows = Array.from({ length: thingsPerTenant }, (_, i) => ({
      name: `${tenant.slug} ${String(i).padStart(2, '0')}`,
      size: i % 5 === 0 ? null : i,
      tags: i % 2 === 0 ? ['even', `n${i}`] : [],
      data: { n: i, nested: { of: tenant.slug } },
      // Three rows share each moment, and moments differ by microseconds: what a Date cannot hold.
      made_at: `2026-01-01T00:00:00.${String(100000 + Math.floor(i / 3))}Z` as unknown as Date,
    }))
    await scene.tenancy.scope.run(createTenantContext({ tenant }), () => repository.createMany(rows))
  }
  return repository
}
