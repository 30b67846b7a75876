// Nobody drops what a running version reads.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'drop-column',
  cases: [
    {
      name: 'a dropped column',
      bad: 'alter table a drop column b',
      good: `create table a (tenant_id uuid not null, id uuid not null, b text, primary key (tenant_id, id)); select partywall.protect('a');alter table a drop column b`,
    },
  ],
})
