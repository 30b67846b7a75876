import { describe, test } from 'node:test'
import { changedPolicy } from '../../../../src/postgres/doctor/checks/changed-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('changed-policy finds', () => {
  test('a policy that shows more', (t) =>
    provesCheck(t, changedPolicy, { breaks: `alter policy partywall_tenant on app.notes using (true)`, object: 'app.notes' }))

  test('a check that accepts more', (t) =>
    provesCheck(t, changedPolicy, { breaks: `alter policy partywall_wall_insert on app.notes with check (true)`, object: 'app.notes' }))

  test('a restrictive twin that is gone', (t) =>
    provesCheck(t, changedPolicy, { breaks: `drop policy partywall_wall_update on app.notes`, object: 'app.notes' }))

  test('a twin that holds for one role', (t) =>
    provesCheck(t, changedPolicy, { breaks: `alter policy partywall_wall_select on app.notes to partywall_owner`, object: 'app.notes' }))

  test('a twin that was made permissive', (t) =>
    provesCheck(t, changedPolicy, {
      breaks: `drop policy partywall_wall_delete on app.notes; create policy partywall_wall_delete on app.notes for delete using (tenant_id = (select b.tenant_id from partywall.bound_for_writing as b))`,
      object: 'app.notes',
    }))

  test('a write that is not fenced', (t) =>
    provesCheck(t, changedPolicy, {
      breaks: `alter policy partywall_wall_update on app.notes using (tenant_id = (select b.tenant_id from partywall.bound as b))`,
      object: 'app.notes',
    }))

  test('the key of another type than the column', (t) =>
    provesCheck(t, changedPolicy, {
      before: `create table app.things (org bigint not null, id uuid not null, primary key (org, id)); select partywall.protect('app.things', 'org')`,
      breaks: 'alter policy partywall_wall_select on app.things using (org = 1)',
      object: 'app.things',
    }))
})
