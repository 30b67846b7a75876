import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { indexWithoutTenant } from '../../../../src/postgres/doctor/checks/index-without-tenant.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('index-without-tenant finds', () => {
  for (const method of ['btree', 'hash']) {
    test(`one that only searches, ${method}`, (t) =>
      provesCheck(t, indexWithoutTenant, {
        breaks: `create index notes_title_idx on app.notes using ${method} (title) where title <> ''`,
        object: 'app.notes_title_idx',
      }))
  }

  test('a key that has the tenant last', (t) =>
    provesCheck(t, indexWithoutTenant, {
      breaks: 'alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id, tenant_id)',
      object: 'app.notes_pkey',
      mend: 'alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (tenant_id, id)',
    }))

  test('one of a schema that is a tenant’s own, as worth knowing', (t) =>
    provesCheck(t, indexWithoutTenant, {
      breaks: `
        insert into partywall.gates (tenant_id) values ('00000000-0000-0000-0000-000000000ace');
        insert into partywall.logins (login, tenant_id) values ('ace', '00000000-0000-0000-0000-000000000ace');
        create index notes_title_idx on app.notes (title)`,
      object: 'app.notes_title_idx',
      level: 'note',
    }))

  test('nothing in what is searched by value, nor in a key that another check tells', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      await superuser.query(`set local role partywall_owner; ${soundTables}; reset role`)
      await superuser.query(`
        create index notes_words_idx on app.notes using gin (to_tsvector('simple', title));
        create unique index notes_title_key on app.notes (title)`)
      assert.deepEqual(await findAsDoctor(superuser, indexWithoutTenant), [])
    }))
})
