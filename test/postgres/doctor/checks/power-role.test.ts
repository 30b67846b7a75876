import { describe, test } from 'node:test'
import { powerRole } from '../../../../src/postgres/doctor/checks/power-role.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('power-role finds', () => {
  test('a tenant’s login that may monitor', (t) =>
    provesCheck(t, powerRole, {
      breaks: 'create role t_power login in role partywall_tenants; grant pg_monitor to t_power',
      object: 'pg_monitor for t_power',
      level: 'error',
    }))

  test('a gatekeeper that reads all data', (t) =>
    provesCheck(t, powerRole, {
      breaks: 'grant pg_read_all_data to partywall_gatekeeper',
      object: 'pg_read_all_data for partywall_gatekeeper',
    }))
})
