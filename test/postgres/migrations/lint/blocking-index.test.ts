// Building an index must not stop writers.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'blocking-index',
  cases: [
    {
      name: 'an index on a table that exists',
      bad: 'create index a_b_idx on a (tenant_id, b)',
      good: `-- partywall: no-transaction
create index concurrently a_b_idx on a (tenant_id, b)`,
    },
    {
      name: 'a unique constraint on a table that exists',
      bad: `alter table a
  add constraint a_b_key unique (tenant_id, b)`,
      good: 'alter table a add constraint a_b_key unique using index a_b_key',
      line: 2,
    },
    {
      name: 'a primary key on a table that exists',
      bad: 'alter table a add primary key (tenant_id, id)',
      good: `create table a (tenant_id uuid not null, id uuid not null, b text, primary key (tenant_id, id)); select partywall.protect('a');create index on a (tenant_id, b)`,
    },
  ],
})
