import { describe, test } from 'node:test'
import { changedInstallation } from '../../../../src/postgres/doctor/checks/changed-installation.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('changed-installation finds', () => {
  test('a function that says something else', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: `
        create table public.kept as select pg_get_functiondef('partywall.hold_back()'::regprocedure) as definition;
        create or replace function partywall.hold_back() returns boolean language plpgsql volatile set search_path = pg_catalog, pg_temp as 'begin return false; end'`,
      object: 'partywall.hold_back()',
      mend: 'do $do$ begin execute (select k.definition from public.kept as k); end $do$',
    }))

  test('a function whose text is in no file, whatever is written down of it', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: `
        create function partywall.told() returns boolean language sql as 'select true';
        insert into partywall.installed_objects (object, digest, server_major)
        select 'partywall.told()', 'anything', current_setting('server_version_num')::integer / 10000`,
      object: 'partywall.told()',
      mend: `drop function partywall.told(); delete from partywall.installed_objects as i where i.object = 'partywall.told()'`,
    }))

  test('a function that has lost its search_path', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: 'alter function partywall.hold_back() reset search_path',
      object: 'partywall.hold_back()',
      mend: 'alter function partywall.hold_back() set search_path = pg_catalog, pg_temp',
    }))

  test('a function that has another owner', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: 'alter function partywall.hold_back() owner to partywall_migrator',
      object: 'partywall.hold_back()',
      mend: 'alter function partywall.hold_back() owner to partywall_owner',
    }))

  test('a function that everybody may call', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: 'grant execute on function partywall.hold_back() to public',
      object: 'partywall.hold_back()',
      mend: 'revoke execute on function partywall.hold_back() from public',
    }))

  test('a view that shows the tenant of one’s choice', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: `
        create table public.kept (definition text);
        insert into public.kept select pg_get_viewdef('partywall.bound'::regclass);
        create or replace view partywall.bound with (security_barrier = true) as
        select nullif(current_setting('app.tenant', true), '')::uuid as tenant_id`,
      object: 'partywall.bound',
      mend: `do $do$ begin
        execute 'create or replace view partywall.bound with (security_barrier = true) as ' || (select k.definition from public.kept as k);
      end $do$`,
    }))

  test('a trigger that is gone', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: 'drop trigger audit_trail_append_only on partywall.audit_trail',
      object: 'audit_trail_append_only on partywall.audit_trail',
      mend: `create trigger audit_trail_append_only before update or delete or truncate on partywall.audit_trail
        for each statement execute function partywall.refuse_audit_change()`,
    }))

  test('a function of somebody else’s among them', (t) =>
    provesCheck(t, changedInstallation, {
      breaks: `create function partywall.also() returns boolean language sql return true`,
      object: 'partywall.also()',
      level: 'warning',
      mend: 'drop function partywall.also()',
    }))
})
