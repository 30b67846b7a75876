// What cannot be in a transaction has a file of its own.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'concurrently-in-transaction',
  cases: [
    {
      name: 'an index built concurrently',
      bad: 'create index concurrently i on a (tenant_id)',
      good: `-- partywall: no-transaction
create index concurrently i on a (tenant_id)`,
    },
    {
      name: 'VACUUM',
      bad: 'vacuum a',
      good: `-- partywall: no-transaction
vacuum a`,
    },
    {
      name: 'a second statement',
      bad: `-- partywall: no-transaction
vacuum a;
vacuum b`,
      good: `-- partywall: no-transaction
drop index concurrently i`,
      line: 3,
    },
    {
      name: 'a statement that could be in one',
      bad: `-- partywall: no-transaction
alter table a add column b text`,
      good: 'alter table a add column b text',
      line: 2,
    },
    {
      name: 'an index without a name',
      bad: `-- partywall: no-transaction
create index concurrently on a (tenant_id)`,
      good: 'analyze a; reindex table a',
      line: 2,
    },
  ],
})
