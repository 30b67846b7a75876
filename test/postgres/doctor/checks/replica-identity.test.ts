import { describe, test } from 'node:test'
import { replicaIdentity } from '../../../../src/postgres/doctor/checks/replica-identity.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('replica-identity finds', () => {
  test('none', (t) => provesCheck(t, replicaIdentity, { breaks: 'alter table app.notes replica identity nothing', object: 'app.notes' }))

  test('an index without the tenant', (t) =>
    provesCheck(t, replicaIdentity, {
      breaks: 'create unique index notes_id_key on app.notes (id); alter table app.notes replica identity using index notes_id_key',
      object: 'app.notes',
    }))

  test('a primary key without the tenant', (t) =>
    provesCheck(t, replicaIdentity, {
      breaks: 'alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id)',
      object: 'app.notes',
    }))

  test('that of a partition, which is its own', (t) =>
    provesCheck(t, replicaIdentity, {
      before: `
        create table app.log (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)) partition by list (tenant_id);
        create table app.log_rest partition of app.log default;
        select partywall.protect('app.log')`,
      breaks: 'alter table app.log_rest replica identity nothing',
      object: 'app.log_rest',
    }))
})
