// A constraint must not be held against all rows while writers wait.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'constraint-without-not-valid',
  cases: [
    {
      name: 'a foreign key',
      bad: 'alter table a add constraint a_b_fkey foreign key (tenant_id, b) references c',
      good: 'alter table a add constraint a_b_fkey foreign key (tenant_id, b) references c not valid',
    },
    {
      name: 'a check',
      bad: `alter table a add check (b <> '')`,
      good: `alter table a add check (b <> '') not valid`,
    },
    {
      name: 'a reference of a new column',
      bad: 'alter table a add column d uuid references c',
      good: 'alter table a add column d uuid',
    },
  ],
})
