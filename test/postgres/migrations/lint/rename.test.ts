// Nobody renames what a running version knows.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'rename',
  cases: [
    {
      name: 'a renamed column',
      bad: 'alter table a rename column b to c',
      good: 'alter table a add column c text',
    },
    {
      name: 'a renamed table',
      bad: 'alter table a rename to c',
      good: 'alter index a_b_idx rename to a_c_idx',
    },
  ],
})
