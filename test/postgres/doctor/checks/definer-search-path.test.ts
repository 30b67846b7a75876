import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { definerSearchPath } from '../../../../src/postgres/doctor/checks/definer-search-path.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('definer-search-path finds', () => {
  const total = `create function app.total() returns bigint language sql security definer`

  test('a function that looks names up in the caller’s search_path', (t) =>
    provesCheck(t, definerSearchPath, {
      breaks: `${total} as 'select count(*) from app.notes'; grant execute on function app.total() to partywall_app`,
      object: 'app.total()',
    }))

  test('one that has a search_path, with temporary tables before it', (t) =>
    provesCheck(t, definerSearchPath, {
      breaks: `${total} set search_path = app as 'select count(*) from notes'`,
      object: 'app.total()',
    }))

  test('one of them where a login may make temporary tables, as an error', (t) =>
    provesCheck(t, definerSearchPath, {
      breaks: `${total} set search_path = app as 'select count(*) from notes';
        do $do$ begin execute format('grant temporary on database %I to partywall_app', current_database()); end $do$`,
      object: 'app.total()',
      level: 'error',
    }))

  test('one that looks into a schema in which the application may create objects', (t) =>
    provesCheck(t, definerSearchPath, {
      breaks: `${total} set search_path = app, public, pg_temp as 'select count(*) from notes'; grant create on schema public to partywall_app`,
      object: 'app.total()',
      level: 'error',
    }))

  test('one that a trigger calls, which needs no privilege', (t) =>
    provesCheck(t, definerSearchPath, {
      breaks: `
        create function app.stamp() returns trigger language plpgsql security definer as 'begin return new; end';
        revoke execute on function app.stamp() from public;
        create trigger stamp before insert on app.notes for each row execute function app.stamp()`,
      object: 'app.stamp()',
    }))
})

test('a function that is pinned, or nobody’s to call, is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(`
      create function app.pinned() returns integer language sql security definer set search_path = pg_catalog, app, pg_temp as 'select 1';
      create function app.empty() returns integer language sql security definer set search_path = '' as 'select 1';
      create function app.bound() returns integer language sql security definer return 1;
      create function app.unreached() returns integer language sql security definer as 'select 1';
      revoke execute on function app.unreached() from public;
      create function app.invoker() returns integer language sql as 'select 1'`)
    assert.deepEqual(await findAsDoctor(superuser, definerSearchPath), [])
  }))
