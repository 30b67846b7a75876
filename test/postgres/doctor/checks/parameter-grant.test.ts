import { describe, test } from 'node:test'
import { parameterGrant } from '../../../../src/postgres/doctor/checks/parameter-grant.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('parameter-grant finds', () => {
  test('one that was granted to a tenant’s login', (t) =>
    provesCheck(t, parameterGrant, {
      breaks: 'create role t_parameter login in role partywall_tenants; grant set on parameter session_replication_role to t_parameter',
      object: 'session_replication_role for t_parameter',
    }))

  test('one that was granted to everybody', (t) =>
    provesCheck(t, parameterGrant, { breaks: 'grant set on parameter log_statement to public', object: 'log_statement for public' }))
})
