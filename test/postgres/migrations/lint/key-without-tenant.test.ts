// Keys begin with the tenant.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'key-without-tenant',
  before: `select partywall.declare_global('world', 'Countries are the same for all.')`,
  cases: [
    {
      name: 'a primary key of a column',
      bad: `create table a (
  id uuid primary key, tenant_id uuid not null)`,
      good: 'create table a (tenant_id uuid not null, id uuid, primary key (tenant_id, id))',
      line: 2,
    },
    {
      name: 'a unique constraint',
      bad: 'alter table a add unique (b)',
      good: 'alter table a add unique (tenant_id, b)',
    },
    {
      name: 'a unique constraint with the tenant last',
      bad: 'alter table a add unique (b, tenant_id)',
      good: 'alter table a add unique using index a_b_idx',
    },
    {
      name: 'a reference without the tenant',
      bad: 'alter table a add foreign key (b) references c (id) not valid',
      good: 'alter table a add foreign key (tenant_id, b) references c (tenant_id, id) not valid',
    },
    {
      name: 'a reference with the tenant at the wrong place',
      bad: 'alter table a add foreign key (tenant_id, b) references c (id, tenant_id) not valid',
      good: 'alter table a add foreign key (b) references world (code) not valid',
    },
    {
      name: 'an index without the tenant',
      bad: 'create index on a (b)',
      good: 'create index on a using gin (b); create index on a (tenant_id, lower(b))',
    },
    {
      name: 'a key of a table that is not global',
      bad: 'create table a (id uuid primary key)',
      good: `create table a (id uuid primary key); select partywall.declare_global('a', 'The same for all.')`,
    },
  ],
})
