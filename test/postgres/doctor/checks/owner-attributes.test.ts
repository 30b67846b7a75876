import { describe, test } from 'node:test'
import { ownerAttributes } from '../../../../src/postgres/doctor/checks/owner-attributes.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('owner-attributes finds', () => {
  test('an owner that bypasses policies', (t) =>
    provesCheck(t, ownerAttributes, { breaks: 'alter role partywall_owner bypassrls', object: 'partywall_owner' }))

  test('a group that can log in, as a thinner wall', (t) =>
    provesCheck(t, ownerAttributes, { breaks: 'alter role partywall_tenants login', object: 'partywall_tenants', level: 'warning' }))
})
