import { describe, test } from 'node:test'
import { defaultPrivileges } from '../../../../src/postgres/doctor/checks/default-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('default-privileges finds', () => {
  test('tables to come', (t) =>
    provesCheck(t, defaultPrivileges, {
      breaks: 'alter default privileges for role partywall_owner in schema app grant select on tables to partywall_app',
      object: 'tables of partywall_owner in app for partywall_app',
    }))

  test('functions to come, as a thinner wall', (t) =>
    provesCheck(t, defaultPrivileges, {
      breaks: 'alter default privileges for role partywall_owner in schema app grant execute on functions to public',
      object: 'functions of partywall_owner in app for public',
      level: 'warning',
    }))
})
