// The wall holds for the owner too.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'walled-rows',
  before: `select partywall.declare_global('world', 'Countries are the same for all.'); alter table a add constraint a_c_fkey foreign key (tenant_id, c_id) references c not valid`,
  cases: [
    {
      name: 'an update',
      bad: 'update a set b = 1',
      good: `select partywall.across_tenants('update a set b = 1', 'a')`,
    },
    {
      name: 'a delete',
      bad: 'delete from a where b is null',
      good: 'delete from world',
    },
    {
      name: 'an insert',
      bad: 'insert into a select * from c',
      good: `insert into world values ('de')`,
    },
    {
      name: 'the validation of a reference',
      bad: 'alter table a validate constraint a_c_fkey',
      good: `select partywall.across_tenants('alter table a validate constraint a_c_fkey', 'a', 'c'); alter table a validate constraint a_b_check`,
    },
  ],
})
