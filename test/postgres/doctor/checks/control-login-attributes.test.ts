import { describe, test } from 'node:test'
import { controlLoginAttributes } from '../../../../src/postgres/doctor/checks/control-login-attributes.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('control-login-attributes finds', () => {
  test('a gatekeeper that bypasses policies', (t) =>
    provesCheck(t, controlLoginAttributes, { breaks: 'alter role partywall_gatekeeper bypassrls', object: 'partywall_gatekeeper' }))

  test('a migrator that may create roles', (t) =>
    provesCheck(t, controlLoginAttributes, { breaks: 'alter role partywall_migrator createrole', object: 'partywall_migrator' }))
})
