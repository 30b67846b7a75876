import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { publicationPastPolicies } from '../../../../src/postgres/doctor/checks/publication-past-policies.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('publication-past-policies finds', () => {
  test('one for a protected table', (t) =>
    provesCheck(t, publicationPastPolicies, { breaks: 'create publication feed for table app.notes', object: 'feed' }))

  test('one for a partition of it', (t) =>
    provesCheck(t, publicationPastPolicies, {
      before: `
        create table app.events (tenant_id uuid not null, id uuid not null, constraint events_pkey primary key (tenant_id, id)) partition by hash (tenant_id);
        create table app.events_0 partition of app.events for values with (modulus 1, remainder 0);
        select partywall.protect('app.events')`,
      breaks: 'create publication feed for table app.events_0',
      object: 'feed',
    }))

  test('one for all tables', (t) =>
    provesCheck(t, publicationPastPolicies, { breaks: 'create publication feed for all tables', object: 'feed' }))

  test('one for the tables of the schema', (t) =>
    provesCheck(t, publicationPastPolicies, { breaks: 'create publication feed for tables in schema app', object: 'feed' }))

  test('one whose filter does not ask whose rows they are', (t) =>
    provesCheck(t, publicationPastPolicies, {
      breaks: `alter table app.notes replica identity full; create publication feed for table app.notes where (title <> '')`,
      object: 'feed',
    }))
})

test('a publication of one tenant’s rows, or of other tables, is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(`
      set local role partywall_owner;
      ${soundTables};
      reset role;
      create table app.countries (code text primary key);
      create publication one for table app.notes where (tenant_id = '018f0000-0000-7000-8000-000000000001');
      create publication countries for table app.countries`)
    assert.deepEqual(await findAsDoctor(superuser, publicationPastPolicies), [])
  }))
