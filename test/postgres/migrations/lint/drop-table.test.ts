// Nobody drops what a running version uses.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'drop-table',
  cases: [
    {
      name: 'a dropped table',
      bad: 'drop table if exists a',
      good: 'create table x (); drop table x; drop index i',
    },
  ],
})
