import { describe, test } from 'node:test'
import { policiesWithoutRowSecurity } from '../../../../src/postgres/doctor/checks/policies-without-row-security.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('policies-without-row-security finds', () => {
  test('policies that nobody enabled', (t) =>
    provesCheck(t, policiesWithoutRowSecurity, {
      breaks: `create table app.letters (tenant_id uuid not null); grant select on app.letters to partywall_app; create policy mine on app.letters using (tenant_id = partywall.tenant_id())`,
      object: 'app.letters',
    }))

  test('the same where the app cannot reach it', (t) =>
    provesCheck(t, policiesWithoutRowSecurity, {
      breaks: `create table app.letters (tenant_id uuid not null); create policy mine on app.letters using (tenant_id = partywall.tenant_id())`,
      object: 'app.letters',
      level: 'warning',
    }))
})
