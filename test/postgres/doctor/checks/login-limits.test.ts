import { describe, test } from 'node:test'
import { loginLimits } from '../../../../src/postgres/doctor/checks/login-limits.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('login-limits finds', () => {
  test('a tenant’s login that may wait for locks for ever', (t) =>
    provesCheck(t, loginLimits, {
      breaks:
        'create role t_limits login in role partywall_tenants; alter role t_limits set statement_timeout = 1000; alter role t_limits set lock_timeout = 0',
      object: 't_limits: lock_timeout',
    }))

  test('a login without any', (t) =>
    provesCheck(t, loginLimits, {
      breaks: 'create role t_limits login in role partywall_tenants',
      object: /^t_limits: (statement_timeout|lock_timeout|idle_in_transaction_session_timeout)$/,
    }))
})
