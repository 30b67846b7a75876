import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { definerTrigger } from '../../../../src/postgres/doctor/checks/definer-trigger.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('definer-trigger finds', () => {
  test('one whose function no policy holds', (t) =>
    provesCheck(t, definerTrigger, {
      breaks: `
        create function app.count_all() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as
          'begin perform count(*) from app.notes; return null; end';
        create trigger count_all after insert on app.notes for each statement execute function app.count_all()`,
      object: 'count_all on app.notes',
    }))

  test('one that copies what is written to a table that is not behind the wall', (t) =>
    provesCheck(t, definerTrigger, {
      breaks: `
        create table app.note_log (title text);
        create function app.log_note() returns trigger language plpgsql security definer set search_path = pg_catalog, app, pg_temp as
          'begin insert into note_log (title) values (new.title); return null; end';
        alter function app.log_note() owner to partywall_owner;
        create trigger log_note after insert on app.notes for each row execute function app.log_note()`,
      object: 'log_note on app.notes',
      level: 'warning',
    }))
})

test('a trigger that writes among the tenant’s own, or with the rights of who writes, is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(`
      set local role partywall_owner;
      ${soundTables};
      create table app.note_log (tenant_id uuid not null, id uuid not null default partywall.uuidv7(), title text, primary key (tenant_id, id));
      select partywall.protect('app.note_log');
      create table app.log (title text);
      create function app.log_note() returns trigger language plpgsql security definer set search_path = pg_catalog, app, pg_temp as
        'begin insert into note_log (title) values (new.title); return null; end';
      create trigger log_note after insert on app.notes for each row execute function app.log_note();
      create function app.as_writer() returns trigger language plpgsql as 'begin insert into app.log (title) values (new.title); return null; end';
      create trigger as_writer after insert on app.notes for each row execute function app.as_writer();
      reset role`)
    assert.deepEqual(await findAsDoctor(superuser, definerTrigger), [])
  }))
