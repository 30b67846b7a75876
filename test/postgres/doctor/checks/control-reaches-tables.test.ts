import { describe, test } from 'node:test'
import { controlReachesTables } from '../../../../src/postgres/doctor/checks/control-reaches-tables.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('control-reaches-tables finds', () => {
  test('a gatekeeper that may read a tenant’s table', (t) =>
    provesCheck(t, controlReachesTables, {
      breaks: 'grant select on app.notes to partywall_gatekeeper',
      object: 'app.notes for partywall_gatekeeper',
    }))

  test('a doctor that may read a column', (t) =>
    provesCheck(t, controlReachesTables, {
      breaks: 'grant select (title) on app.notes to partywall_doctor',
      object: 'app.notes for partywall_doctor',
    }))
})
