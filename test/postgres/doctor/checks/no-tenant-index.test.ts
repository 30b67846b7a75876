import { describe, test } from 'node:test'
import { noTenantIndex } from '../../../../src/postgres/doctor/checks/no-tenant-index.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const parted = `
  create table app.log (tenant_id uuid not null, id uuid not null, at timestamptz not null, constraint log_pkey primary key (tenant_id, id, at))
    partition by range (at);
  create table app.log_old partition of app.log for values from (minvalue) to ('2026-01-01');
  create table app.log_new partition of app.log default;
  select partywall.protect('app.log')`

describe('no-tenant-index finds', () => {
  test('a table whose key begins with something else', (t) =>
    provesCheck(t, noTenantIndex, {
      breaks: 'alter table app.notes drop constraint notes_pkey, add constraint notes_pkey primary key (id, tenant_id)',
      object: 'app.notes',
    }))

  test('one with an index for some rows alone', (t) =>
    provesCheck(t, noTenantIndex, {
      breaks: `alter table app.notes drop constraint notes_pkey; create index notes_idx on app.notes (tenant_id) where title <> ''`,
      object: 'app.notes',
    }))

  test('a partitioned table once, whatever the number of its partitions', (t) =>
    provesCheck(t, noTenantIndex, { before: parted, breaks: 'alter table app.log drop constraint log_pkey', object: /./ }))

  test('a child by inheritance, which takes no index over', (t) =>
    provesCheck(t, noTenantIndex, { breaks: 'create table app.kept () inherits (app.notes)', object: 'app.kept' }))
})
