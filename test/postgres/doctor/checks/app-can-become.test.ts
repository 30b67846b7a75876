import { describe, test } from 'node:test'
import { appCanBecome } from '../../../../src/postgres/doctor/checks/app-can-become.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('app-can-become finds', () => {
  test('a role that the app is a member of', (t) =>
    provesCheck(t, appCanBecome, { breaks: 'create role staff nologin; grant staff to partywall_app', object: 'staff' }))

  test('a role that bypasses policies, two memberships away', (t) =>
    provesCheck(t, appCanBecome, {
      breaks: 'create role staff nologin; create role auditor nologin bypassrls; grant auditor to staff; grant staff to partywall_app',
      object: /^(staff|auditor)$/,
    }))

  test('a role that the login of a tenant’s own can become', (t) =>
    provesCheck(t, appCanBecome, {
      breaks: 'create role t_1 login; grant partywall_tenants to t_1; create role staff nologin; grant staff to t_1',
      object: 'staff',
    }))
})
