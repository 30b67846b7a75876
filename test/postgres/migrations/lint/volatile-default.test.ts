// A default that differs from row to row writes the table anew.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'volatile-default',
  cases: [
    {
      name: 'a random default',
      bad: 'alter table a add column c uuid default gen_random_uuid()',
      good: 'alter table a add column c uuid; alter table a alter column c set default gen_random_uuid()',
    },
    {
      name: 'a default of the clock',
      bad: 'alter table a add column c timestamptz default clock_timestamp()',
      good: 'alter table a add column c timestamptz default now()',
    },
    {
      name: 'a stored generated column',
      bad: 'alter table a add column c integer generated always as (length(b)) stored',
      good: `create table a (tenant_id uuid not null, id uuid not null, b text, primary key (tenant_id, id)); select partywall.protect('a');alter table a add column c integer generated always as (length(b)) stored`,
    },
  ],
})
