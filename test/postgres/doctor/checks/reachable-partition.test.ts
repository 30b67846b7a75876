import { describe, test } from 'node:test'
import { reachablePartition } from '../../../../src/postgres/doctor/checks/reachable-partition.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const parted = `
  create table app.log (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)) partition by list (tenant_id);
  select partywall.protect('app.log')`

describe('reachable-partition finds', () => {
  test('a partition that the app may read', (t) =>
    provesCheck(t, reachablePartition, {
      before: parted,
      breaks: 'create table app.log_1 partition of app.log default; grant select on app.log_1 to partywall_app',
      object: 'app.log_1',
    }))

  test('one that only lacks policies', (t) =>
    provesCheck(t, reachablePartition, {
      before: parted,
      breaks: 'create table app.log_1 partition of app.log default',
      object: 'app.log_1',
      level: 'warning',
    }))

  test('a child by inheritance', (t) =>
    provesCheck(t, reachablePartition, {
      breaks: 'create table app.kept () inherits (app.notes); grant select on app.kept to partywall_app',
      object: 'app.kept',
    }))
})
