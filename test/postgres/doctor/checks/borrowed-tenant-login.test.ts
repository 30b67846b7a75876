import { describe, test } from 'node:test'
import { borrowedTenantLogin } from '../../../../src/postgres/doctor/checks/borrowed-tenant-login.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('borrowed-tenant-login finds', () => {
  test('a tenant’s login that can become another’s', (t) =>
    provesCheck(t, borrowedTenantLogin, {
      breaks:
        'create role t_lender login in role partywall_tenants; create role t_borrower login in role partywall_tenants; grant t_lender to t_borrower',
      object: 't_lender for t_borrower',
    }))

  test('an operator’s login that can', (t) =>
    provesCheck(t, borrowedTenantLogin, {
      breaks: 'create role t_lender login in role partywall_tenants; create role support login; grant t_lender to support',
      object: 't_lender for support',
    }))
})
