// No numbers that all tenants share.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'shared-sequence',
  cases: [
    {
      name: 'a serial',
      bad: `create table a (
  id bigserial)`,
      good: 'create table a (id uuid default partywall.uuidv7())',
      line: 2,
    },
    {
      name: 'an identity',
      bad: 'alter table a add column n integer generated always as identity',
      good: `create table a (id serial); select partywall.declare_global('a', 'The same for all.')`,
    },
    {
      name: 'a sequence',
      bad: 'create sequence s',
      good: 'select 1',
    },
    {
      name: 'a default that counts',
      bad: `alter table a alter column n set default nextval('s')`,
      good: 'alter table a alter column n set default 1',
    },
  ],
})
