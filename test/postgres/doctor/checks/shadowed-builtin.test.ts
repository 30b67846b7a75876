import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shadowedBuiltin } from '../../../../src/postgres/doctor/checks/shadowed-builtin.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('shadowed-builtin finds', () => {
  const pathFirst = `alter role partywall_app set search_path = app, pg_catalog, pg_temp`

  test('a function that fits better than PostgreSQL’s', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: `create function app.upper(character varying) returns text language sql return 'taken'`,
      object: 'app.upper(character varying)',
    }))

  test('an operator that fits better', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: `
        create function app.same(character varying, character varying) returns boolean language sql return true;
        create operator app.= (leftarg = character varying, rightarg = character varying, function = app.same)`,
      object: 'operator app.= (character varying, character varying)',
    }))

  test('the same operator, where pg_catalog is looked into later', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: `${pathFirst};
        create function app.same(uuid, uuid) returns boolean language sql return true;
        create operator app.= (leftarg = uuid, rightarg = uuid, function = app.same)`,
      object: 'operator app.= (uuid, uuid)',
    }))

  test('the same function, where pg_catalog is looked into later', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: `${pathFirst}; create function app.lower(text) returns text language sql return 'taken'`,
      object: 'app.lower(text)',
    }))

  test('a type and a table by the name of PostgreSQL’s, where pg_catalog is looked into later', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: `${pathFirst}; create domain app.uuid as text; create table app.pg_class (relname text)`,
      object: /^app\.(uuid|pg_class)$/,
      mend: 'drop domain app.uuid; drop table app.pg_class',
    }))

  test('a cast that nobody asks for', (t) =>
    provesCheck(t, shadowedBuiltin, {
      breaks: 'create cast (text as uuid) with inout as implicit',
      object: 'cast (text as uuid)',
    }))
})

test('what PostgreSQL’s own goes before, or what has types of its own, is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(`
      create function app.lower(text) returns text language sql return 'never';
      create function app.same(uuid, uuid) returns boolean language sql return true;
      create operator app.= (leftarg = uuid, rightarg = uuid, function = app.same);
      create function app.round(double precision, integer) returns double precision language sql return 0;
      create type app.money_of as (amount numeric, currency text);
      create function app.abs(app.money_of) returns app.money_of language sql return $1;
      create function public.pg_typeof_of(text) returns text language sql return '';
      create function public.upper(character varying) returns text language sql return 'not on the path'`)
    assert.deepEqual(await findAsDoctor(superuser, shadowedBuiltin), [])
  }))
