import { describe, test } from 'node:test'
import { failOpenPolicy } from '../../../../src/postgres/doctor/checks/fail-open-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('fail-open-policy finds', () => {
  test('a policy that is true without a setting', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(
        `create policy mine on app.letters using (current_setting('app.tenant', true) is null or tenant_id::text = current_setting('app.tenant', true))`,
      ),
      object: 'mine on app.letters',
    }))

  test('one that is true with an empty setting', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(
        `create policy mine on app.letters using (current_setting('app.tenant', true) = '' or tenant_id::text = current_setting('app.tenant', true))`,
      ),
      object: 'mine on app.letters',
    }))

  test('one that falls back to the row’s own tenant', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(
        `create policy mine on app.letters using (tenant_id = coalesce(nullif(current_setting('app.tenant', true), '')::uuid, tenant_id))`,
      ),
      object: 'mine on app.letters',
    }))

  test('one whose comparison with null is true', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(`create policy mine on app.letters using (coalesce(tenant_id = current_setting('app.tenant', true)::uuid, true))`),
      object: 'mine on app.letters',
    }))

  test('one with a way out for no tenant', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(
        `create policy mine on app.letters using (case when current_setting('app.tenant', true) is null then true else tenant_id::text = current_setting('app.tenant', true) end)`,
      ),
      object: 'mine on app.letters',
    }))

  test('rows that belong to nobody and are shown to all', (t) =>
    provesCheck(t, failOpenPolicy, {
      breaks: letters(`create policy mine on app.letters using (tenant_id is null or tenant_id = partywall.tenant_id())`),
      object: 'mine on app.letters',
    }))
})
