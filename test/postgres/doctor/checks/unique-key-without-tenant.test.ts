import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { uniqueKeyWithoutTenant } from '../../../../src/postgres/doctor/checks/unique-key-without-tenant.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('unique-key-without-tenant finds', () => {
  test('a value that one tenant can ask for and another has', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: 'alter table app.notes add constraint notes_title_key unique (title)',
      object: 'app.notes_title_key',
    }))

  test('an index that is unique, over an expression and for some rows', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: `create unique index notes_title_key on app.notes (lower(title)) include (tenant_id) where title <> ''`,
      object: 'app.notes_title_key',
    }))

  test('numbers that can be tried one by one, as a warning', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks:
        'alter table app.notes drop constraint notes_pkey, add column n bigint generated always as identity, add constraint notes_pkey primary key (n)',
      object: 'app.notes_pkey',
      level: 'warning',
    }))

  test('uuids of which nobody knows how they are made, as a warning', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: 'alter table app.notes drop constraint notes_pkey, alter column id drop default, add constraint notes_pkey primary key (id)',
      object: 'app.notes_pkey',
      level: 'warning',
    }))

  test('random uuids, as worth knowing', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: 'alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id)',
      object: 'app.notes_pkey',
      level: 'note',
    }))

  test('one in a schema that is a tenant’s own, as worth knowing', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      before: `
        create schema t_00000000000000000000ace1;
        insert into partywall.gates (tenant_id, schema_name) values ('00000000-0000-0000-0000-000000000ace', 't_00000000000000000000ace1');
        create table t_00000000000000000000ace1.notes (tenant_id uuid not null, title text not null, primary key (tenant_id, title));
        select partywall.protect('t_00000000000000000000ace1.notes')`,
      breaks: 'alter table t_00000000000000000000ace1.notes add constraint notes_title_key unique (title)',
      object: 't_00000000000000000000ace1.notes_title_key',
      level: 'note',
    }))

  test('one in a database that is a tenant’s own, as worth knowing', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: `
        alter table app.notes add constraint notes_title_key unique (title);
        insert into partywall.gates (tenant_id) values ('00000000-0000-0000-0000-000000000ace');
        insert into partywall.logins (login, tenant_id) values ('ace', '00000000-0000-0000-0000-000000000ace')`,
      object: 'app.notes_title_key',
      level: 'note',
    }))

  test('one that takes the foreign keys into it along', (t) =>
    provesCheck(t, uniqueKeyWithoutTenant, {
      breaks: `
        alter table app.notes add constraint notes_id_key unique (id), add column parent uuid,
          add constraint notes_parent_fkey foreign key (parent) references app.notes (id) on delete set null`,
      object: 'app.notes_id_key',
      level: 'note',
    }))

  test('one of a single partition, and that of all partitions once', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      await superuser.query(`set local role partywall_owner; ${soundTables};
        create table app.log (tenant_id uuid not null, id uuid not null, word text, primary key (tenant_id, id)) partition by list (tenant_id);
        create table app.log_rest partition of app.log default;
        select partywall.protect('app.log');
        reset role`)
      await superuser.query('create unique index log_rest_word_key on app.log_rest (word)')
      const found = await findAsDoctor(superuser, uniqueKeyWithoutTenant)
      assert.deepEqual(
        found.map(({ object, level }) => [object, level]),
        [['app.log_rest_word_key', 'error']],
      )
    }))
})
