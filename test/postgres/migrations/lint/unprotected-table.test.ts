// Whose rows a table holds must be said where it is made.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'unprotected-table',
  cases: [
    {
      name: 'a table that is not protected',
      bad: `select 1;
create table a (id uuid)`,
      good: `create table a (id uuid); select partywall.protect('a')`,
      line: 2,
    },
    {
      name: 'a table made from a query',
      bad: 'create table a as select 1',
      good: `create table a as select 1 as n; select partywall.declare_global('a', 'The same for all.')`,
    },
    {
      name: 'a table of which another is protected',
      bad: `create table a (id uuid); select partywall.protect('b')`,
      good: `create table "Odd" (id uuid); select partywall.protect('"Odd"'); create table p partition of q default; create temporary table z () on commit drop`,
    },
  ],
})
