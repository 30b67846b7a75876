import { describe, test } from 'node:test'
import { adminOption } from '../../../../src/postgres/doctor/checks/admin-option.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('admin-option finds', () => {
  test('a tenant’s login that may hand out its group', (t) =>
    provesCheck(t, adminOption, {
      breaks: 'create role t_admin login; grant partywall_tenants to t_admin with admin option',
      object: 'partywall_tenants for t_admin',
    }))
})
