import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { foreignKeyWithoutTenant } from '../../../../src/postgres/doctor/checks/foreign-key-without-tenant.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const referring = `${soundTables};
  create table app.lines (
    tenant_id uuid not null, id uuid not null, note_id uuid, parent_id uuid,
    constraint lines_pkey primary key (tenant_id, id),
    constraint lines_parent_id_fkey foreign key (tenant_id, parent_id) references app.lines (tenant_id, id) on delete cascade
  );
  create table app.sizes (code text primary key);
  select partywall.declare_global('app.sizes', 'Sizes are the same for everybody.');
  alter table app.lines add column size text constraint lines_size_fkey references app.sizes (code);
  select partywall.protect('app.lines')`

describe('foreign-key-without-tenant finds', () => {
  test('a reference to a key that has the tenant only elsewhere', (t) =>
    provesCheck(t, foreignKeyWithoutTenant, {
      before: referring,
      breaks: `
        alter table app.notes add constraint notes_id_key unique (id);
        alter table app.lines add constraint lines_note_id_fkey foreign key (note_id) references app.notes (id)`,
      object: /./,
    }))

  test('one to a key that must be mended first', (t) =>
    provesCheck(t, foreignKeyWithoutTenant, {
      before: referring,
      breaks: `
        alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id);
        alter table app.lines add constraint lines_note_id_fkey foreign key (note_id) references app.notes (id) deferrable initially deferred`,
      object: 'lines_note_id_fkey on app.lines',
    }))

  test('one that gives the tenant by another column', (t) =>
    provesCheck(t, foreignKeyWithoutTenant, {
      before: referring,
      breaks: `
        alter table app.lines add column owner_id uuid,
          add constraint lines_owner_fkey foreign key (owner_id, note_id) references app.notes (tenant_id, id)`,
      object: 'lines_owner_fkey on app.lines',
    }))

  test('one out of a global table, as a warning', (t) =>
    provesCheck(t, foreignKeyWithoutTenant, {
      before: referring,
      breaks: `
        alter table app.notes add constraint notes_id_key unique (id);
        alter table app.sizes add column note_id uuid constraint sizes_note_id_fkey references app.notes (id)`,
      object: 'sizes_note_id_fkey on app.sizes',
      level: 'warning',
      mend: 'alter table app.sizes drop constraint sizes_note_id_fkey',
    }))

  test('one between tables that are one tenant’s own, as worth knowing', (t) =>
    provesCheck(t, foreignKeyWithoutTenant, {
      before: referring,
      breaks: `
        insert into partywall.gates (tenant_id) values ('00000000-0000-0000-0000-000000000ace');
        insert into partywall.logins (login, tenant_id) values ('ace', '00000000-0000-0000-0000-000000000ace');
        alter table app.notes add constraint notes_id_key unique (id);
        alter table app.lines add constraint lines_note_id_fkey foreign key (note_id) references app.notes (id)`,
      object: 'lines_note_id_fkey on app.lines',
      level: 'note',
    }))

  test('what its owner can mend, with rows of several tenants in the tables', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      await superuser.query(`set local role partywall_owner; ${referring}; reset role`)
      await superuser.query(`
        alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id);
        alter table app.lines add constraint lines_note_id_fkey foreign key (note_id) references app.notes (id);
        insert into app.notes (tenant_id, id, title) select md5('tenant' || n)::uuid, md5('note' || n)::uuid, 'title' from generate_series(1, 3) as n;
        insert into app.lines (tenant_id, id, note_id) select n.tenant_id, n.id, n.id from app.notes as n`)
      const [said] = await findAsDoctor(superuser, foreignKeyWithoutTenant)
      assert.ok(said?.fix)
      await superuser.query(`set local role partywall_owner; ${said.fix}; reset role`)
      assert.deepEqual(await findAsDoctor(superuser, foreignKeyWithoutTenant), [])
      await assert.rejects(
        superuser.query(`update app.lines set note_id = md5('note1')::uuid where tenant_id = md5('tenant2')::uuid`),
        /lines_note_id_fkey/,
      )
    }))
})
