// A column that may not be null needs a value for the rows that are there.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'not-null-without-default',
  cases: [
    {
      name: 'a new column that may not be null',
      bad: 'alter table a add column c integer not null',
      good: 'alter table a add column c integer not null default 0',
    },
    {
      name: 'SET NOT NULL that reads the table',
      bad: 'alter table a alter column b set not null',
      good: `alter table a add constraint a_b_not_null check (b is not null) not valid;
-- next file
alter table a validate constraint a_b_not_null;
-- next file
alter table a alter column b set not null, drop constraint a_b_not_null`,
    },
    {
      name: 'SET NOT NULL by a check that was never validated',
      bad: `alter table a add constraint n check (b is not null) not valid;
alter table a alter column b set not null`,
      good: `alter table a add constraint n check (b is not null) not valid;
-- next file
alter table a validate constraint n; alter table a alter column b set not null`,
      line: 2,
    },
  ],
})
