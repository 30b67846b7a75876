// Names have no schema, so that one file runs in every placement.

import { lintSuite } from '../../../support/lint.ts'

lintSuite({
  rule: 'qualified-name',
  cases: [
    {
      name: 'a table of the shared schema',
      bad: 'create table app.a (id uuid)',
      good: 'create table a (id uuid default partywall.uuidv7(), n pg_catalog.int4)',
    },
    {
      name: 'a type',
      bad: `create table a (
 n public.citext)`,
      good: 'create table a (n text)',
    },
    {
      name: 'a function',
      bad: 'select public.f()',
      good: 'select f(), pg_catalog.now()',
    },
    {
      name: 'a table that is dropped',
      bad: 'drop table app.a',
      good: 'drop table a',
    },
    {
      name: 'a comment',
      bad: 'comment on column app.a.b is $$x$$',
      good: 'comment on column a.b is $$x$$; comment on table a is $$y$$',
    },
    {
      name: 'a text that names a table',
      bad: `select partywall.protect('app.a')`,
      good: `select partywall.protect('a')`,
    },
    {
      name: 'a new schema',
      bad: 'create schema other',
      good: 'create view v as select 1',
    },
    {
      name: 'a trigger function',
      bad: 'create trigger t before insert on a for each row execute function app.f()',
      good: 'create trigger t before insert on a for each row execute function f()',
    },
  ],
})
