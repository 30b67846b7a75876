import { describe, test } from 'node:test'
import { unloggedTable } from '../../../../src/postgres/doctor/checks/unlogged-table.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('unlogged-table finds', () => {
  test('a protected table', (t) => provesCheck(t, unloggedTable, { breaks: 'alter table app.notes set unlogged', object: 'app.notes' }))

  test('a partition', (t) =>
    provesCheck(t, unloggedTable, {
      before: `
        create table app.log (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)) partition by list (tenant_id);
        create table app.log_rest partition of app.log default;
        select partywall.protect('app.log')`,
      breaks: 'alter table app.log_rest set unlogged',
      object: 'app.log_rest',
    }))
})
