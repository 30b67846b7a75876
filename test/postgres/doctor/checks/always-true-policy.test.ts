import { describe, test } from 'node:test'
import { alwaysTruePolicy } from '../../../../src/postgres/doctor/checks/always-true-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('always-true-policy finds', () => {
  test('a policy that shows every row', (t) =>
    provesCheck(t, alwaysTruePolicy, {
      breaks: letters('create policy mine on app.letters for select using (true)'),
      object: 'mine on app.letters',
    }))

  test('one that lets every row be written', (t) =>
    provesCheck(t, alwaysTruePolicy, {
      breaks: letters('create policy mine on app.letters using (tenant_id = partywall.tenant_id()) with check (true)'),
      object: 'mine on app.letters',
    }))

  test('one that says the same in other words', (t) =>
    provesCheck(t, alwaysTruePolicy, {
      breaks: letters('create policy mine on app.letters using (tenant_id = tenant_id)'),
      object: 'mine on app.letters',
    }))

  test('one that everybody passes who has a tenant', (t) =>
    provesCheck(t, alwaysTruePolicy, {
      breaks: letters('create policy mine on app.letters using (tenant_id is not null)'),
      object: 'mine on app.letters',
    }))
})
