import { describe, test } from 'node:test'
import { weakWithCheck } from '../../../../src/postgres/doctor/checks/weak-with-check.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('weak-with-check finds', () => {
  test('a check that accepts rows of any tenant', (t) =>
    provesCheck(t, weakWithCheck, {
      breaks: letters('create policy mine on app.letters using (tenant_id = partywall.tenant_id()) with check (is_public)'),
      object: 'mine on app.letters',
    }))

  test('a policy for inserts that never asks whose row it is', (t) =>
    provesCheck(t, weakWithCheck, {
      breaks: letters('create policy mine on app.letters for insert with check (not is_public)'),
      object: 'mine on app.letters',
    }))
})
