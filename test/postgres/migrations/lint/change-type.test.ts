// Another type writes the table anew.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'change-type',
  cases: [
    {
      name: 'another type',
      bad: 'alter table a alter column b type integer using b::integer',
      good: `create table a (tenant_id uuid not null, id uuid not null, b text, primary key (tenant_id, id)); select partywall.protect('a');alter table a alter column b type varchar(10)`,
    },
  ],
})
