import { describe, test } from 'node:test'
import { rowSecurityWithoutPolicy } from '../../../../src/postgres/doctor/checks/row-security-without-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('row-security-without-policy finds', () => {
  test('a table that shows nothing to anybody', (t) =>
    provesCheck(t, rowSecurityWithoutPolicy, {
      breaks: `create table app.letters (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table app.letters owner to partywall_owner; alter table app.letters enable row level security; grant select on app.letters to partywall_app`,
      object: 'app.letters',
    }))

  test('a global table whose rows nobody sees', (t) =>
    provesCheck(t, rowSecurityWithoutPolicy, {
      before: `create table app.countries (code text primary key); select partywall.declare_global('app.countries', 'the same for everybody')`,
      breaks: 'alter table app.countries enable row level security',
      object: 'app.countries',
    }))
})
