import { describe, test } from 'node:test'
import { policyFunctionSearchPath } from '../../../../src/postgres/doctor/checks/policy-function-search-path.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

const helper = (path: string) => `
  create table app.people (login name, tenant_id uuid);
  create function app.whoami() returns uuid language sql stable ${path} as 'select null::uuid';
  create policy mine on app.letters using (tenant_id = app.whoami())`

describe('policy-function-search-path finds', () => {
  test('a helper that looks where the caller says', (t) =>
    provesCheck(t, policyFunctionSearchPath, { breaks: letters(helper('')), object: 'app.whoami()' }))

  test('one that linters accept, and temporary tables come first', (t) =>
    provesCheck(t, policyFunctionSearchPath, { breaks: letters(helper('set search_path = app')), object: 'app.whoami()' }))

  test('one with temporary tables in the middle', (t) =>
    provesCheck(t, policyFunctionSearchPath, { breaks: letters(helper('set search_path = pg_temp, app')), object: 'app.whoami()' }))

  test('one where the app may make temporary tables', (t) =>
    provesCheck(t, policyFunctionSearchPath, {
      breaks: `${letters(helper(''))}; do $$ begin execute format('grant temporary on database %I to partywall_app', current_database()); end $$`,
      object: 'app.whoami()',
      level: 'error',
    }))
})
