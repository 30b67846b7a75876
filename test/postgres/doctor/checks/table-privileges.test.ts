import { describe, test } from 'node:test'
import { tablePrivileges } from '../../../../src/postgres/doctor/checks/table-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('table-privileges finds', () => {
  test('TRUNCATE', (t) =>
    provesCheck(t, tablePrivileges, { breaks: 'grant truncate on app.notes to partywall_app', object: 'app.notes for partywall_app' }))

  test('all privileges of everybody', (t) =>
    provesCheck(t, tablePrivileges, { breaks: 'grant all on app.notes to public', object: 'app.notes for public' }))

  test('REFERENCES, as a thinner wall', (t) =>
    provesCheck(t, tablePrivileges, {
      breaks: 'grant references on app.notes to partywall_tenants; create role t_references login in role partywall_tenants',
      object: 'app.notes for partywall_tenants',
      level: 'warning',
    }))
})
