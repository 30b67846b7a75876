import { describe, test } from 'node:test'
import { policySubSelect } from '../../../../src/postgres/doctor/checks/policy-sub-select.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('policy-sub-select finds', () => {
  test('a policy that asks a list of members', (t) =>
    provesCheck(t, policySubSelect, {
      breaks: letters(
        'create table app.members (tenant_id uuid, login name); create policy mine on app.letters using (tenant_id in (select m.tenant_id from app.members as m where m.login = session_user))',
      ),
      object: 'mine on app.letters',
    }))
})
