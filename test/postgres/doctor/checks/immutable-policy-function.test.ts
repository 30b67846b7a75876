import { describe, test } from 'node:test'
import { immutablePolicyFunction } from '../../../../src/postgres/doctor/checks/immutable-policy-function.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('immutable-policy-function finds', () => {
  test('a helper whose answer is folded into a plan', (t) =>
    provesCheck(t, immutablePolicyFunction, {
      breaks: letters(
        `create function app.whoami() returns uuid language sql immutable as $$ select current_setting('app.tenant')::uuid $$; create policy mine on app.letters using (tenant_id = app.whoami())`,
      ),
      object: 'app.whoami()',
    }))

  test('one that an operator calls', (t) =>
    provesCheck(t, immutablePolicyFunction, {
      breaks: letters(
        `create function app.is_mine(a uuid, b uuid) returns boolean language sql immutable as $$ select a = b and current_setting('app.tenant') <> '' $$; create operator app.=== (function = app.is_mine, leftarg = uuid, rightarg = uuid); create policy mine on app.letters using (tenant_id operator(app.===) id)`,
      ),
      object: 'app.is_mine(a uuid, b uuid)',
    }))
})
