import { describe, test } from 'node:test'
import { policyForRoles } from '../../../../src/postgres/doctor/checks/policy-for-roles.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('policy-for-roles finds', () => {
  test('a policy for the app’s login', (t) =>
    provesCheck(t, policyForRoles, {
      breaks: letters('create policy mine on app.letters to partywall_app using (tenant_id = partywall.tenant_id())'),
      object: 'mine on app.letters',
    }))

  test('a restrictive one that others pass', (t) =>
    provesCheck(t, policyForRoles, {
      breaks: 'create policy hours on app.notes as restrictive to partywall_app using (extract(hour from now()) < 25)',
      object: 'hours on app.notes',
    }))
})
