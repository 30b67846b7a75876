import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shadowedTable } from '../../../../src/postgres/doctor/checks/shadowed-table.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('shadowed-table finds', () => {
  test('a table in a schema that is looked into before', (t) =>
    provesCheck(t, shadowedTable, {
      breaks: 'alter role partywall_app set search_path = public, app, pg_temp; create table public.notes (title text)',
      object: 'public.notes',
      mend: 'alter table public.notes rename to old_notes',
    }))

  test('a view under the name of a table that is not on the path at all', (t) =>
    provesCheck(t, shadowedTable, {
      before: `create schema crm; create table crm.deals (tenant_id uuid not null, id uuid not null, constraint deals_pkey primary key (tenant_id, id)); select partywall.protect('crm.deals')`,
      breaks: 'create view app.deals as select 1 as id',
      object: 'app.deals',
      mend: 'drop view app.deals',
    }))
})

test('a table behind the protected one is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(`
      set local role partywall_owner;
      ${soundTables};
      reset role;
      alter role partywall_app set search_path = app, public, pg_temp;
      create table public.notes (title text)`)
    assert.deepEqual(await findAsDoctor(superuser, shadowedTable), [])
  }))
