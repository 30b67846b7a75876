// The transaction and the session are the runner's.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'own-transaction',
  cases: [
    {
      name: 'BEGIN',
      bad: 'begin; create table a ()',
      good: `set local work_mem = '1GB'`,
    },
    {
      name: 'COMMIT',
      bad: `select 1;
commit`,
      good: 'select 1',
      line: 2,
    },
    {
      name: 'a setting that outlives the transaction',
      bad: `set work_mem = '1GB'`,
      good: `set local lock_timeout = '1s'`,
    },
    {
      name: 'another search_path',
      bad: 'set local search_path = app',
      good: 'select 1',
    },
    {
      name: 'another role',
      bad: 'set role postgres',
      good: 'select 1',
    },
    {
      name: 'DISCARD',
      bad: 'discard all',
      good: 'select 1',
    },
    {
      name: 'a temporary table that stays',
      bad: 'create temporary table x ()',
      good: 'create temporary table x () on commit drop',
    },
  ],
})
