import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sharedSequence } from '../../../../src/postgres/doctor/checks/shared-sequence.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const ownSchema = `
  create schema t_00000000000000000000ace1;
  insert into partywall.gates (tenant_id, schema_name) values ('00000000-0000-0000-0000-000000000ace', 't_00000000000000000000ace1');
  create table t_00000000000000000000ace1.notes (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));
  select partywall.protect('t_00000000000000000000ace1.notes')`

describe('shared-sequence finds', () => {
  test('an identity column', (t) =>
    provesCheck(t, sharedSequence, {
      breaks: 'alter table app.notes add column number bigint generated always as identity',
      object: 'app.notes.number',
    }))

  test('a serial column', (t) =>
    provesCheck(t, sharedSequence, { breaks: 'alter table app.notes add column number bigserial', object: 'app.notes.number' }))

  test('a default that finds its sequence by name', (t) =>
    provesCheck(t, sharedSequence, {
      breaks: `create sequence app.counter; alter table app.notes add column number bigint default nextval('app.counter'::text)`,
      object: 'app.notes.number',
    }))

  test('a schema of a tenant’s own that counts with others', (t) =>
    provesCheck(t, sharedSequence, {
      before: ownSchema,
      breaks: `create sequence app.counter; alter table t_00000000000000000000ace1.notes add column number bigint default nextval('app.counter')`,
      object: 't_00000000000000000000ace1.notes.number',
    }))

  test('that of a partitioned table once', (t) =>
    provesCheck(t, sharedSequence, {
      before: `
        create table app.log (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)) partition by list (tenant_id);
        create table app.log_rest partition of app.log default;
        select partywall.protect('app.log')`,
      breaks: 'alter table app.log add column number bigint generated always as identity',
      object: /./,
    }))

  test('nothing in a schema of a tenant’s own that counts alone', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      await superuser.query(`set local role partywall_owner; ${soundTables}; ${ownSchema}; reset role`)
      await superuser.query('alter table t_00000000000000000000ace1.notes add column number bigserial')
      assert.deepEqual(await findAsDoctor(superuser, sharedSequence), [])
    }))
})
