import { describe, test } from 'node:test'
import { forgeablePolicy } from '../../../../src/postgres/doctor/checks/forgeable-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('forgeable-policy finds', () => {
  test('a policy that reads a setting', (t) =>
    provesCheck(t, forgeablePolicy, {
      breaks: letters(`create policy mine on app.letters using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)`),
      object: 'mine on app.letters',
    }))

  test('one that reads it in a sub-select, which stops only some forgeries', (t) =>
    provesCheck(t, forgeablePolicy, {
      breaks: letters(`create policy mine on app.letters using (tenant_id = (select current_setting('app.tenant')::uuid))`),
      object: 'mine on app.letters',
    }))

  test('one that reads it through a function', (t) =>
    provesCheck(t, forgeablePolicy, {
      breaks: letters(
        `create function app.whoami() returns uuid language sql stable as $$ select (current_setting('request.jwt.claims', true)::json ->> 'tenant')::uuid $$; create policy mine on app.letters using (tenant_id = app.whoami())`,
      ),
      object: 'mine on app.letters',
    }))

  test('a flag that switches the filter off', (t) =>
    provesCheck(t, forgeablePolicy, {
      breaks: letters(
        `create policy mine on app.letters using (tenant_id = partywall.tenant_id() or current_setting('app.is_admin', true) = 'on')`,
      ),
      object: 'mine on app.letters',
    }))
})
