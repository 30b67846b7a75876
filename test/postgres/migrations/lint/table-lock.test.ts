// Nothing locks a whole table for as long as it runs.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'table-lock',
  cases: [
    {
      name: 'TRUNCATE',
      bad: 'truncate a, b',
      good: 'delete from a where b is null',
    },
    {
      name: 'LOCK TABLE',
      bad: 'lock table a',
      good: 'select 1',
    },
    {
      name: 'CLUSTER',
      bad: 'cluster a using a_pkey',
      good: `create table a (tenant_id uuid not null, id uuid not null, b text, primary key (tenant_id, id)); select partywall.protect('a');truncate a`,
    },
    {
      name: 'VACUUM FULL',
      bad: `-- partywall: no-transaction
vacuum full a`,
      good: `-- partywall: no-transaction
vacuum (analyze) a`,
      line: 2,
    },
    {
      name: 'REINDEX',
      bad: 'reindex table a',
      good: `-- partywall: no-transaction
reindex table concurrently a`,
    },
  ],
})
