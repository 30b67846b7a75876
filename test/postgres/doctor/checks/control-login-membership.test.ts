import { describe, test } from 'node:test'
import { controlLoginMembership } from '../../../../src/postgres/doctor/checks/control-login-membership.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('control-login-membership finds', () => {
  test('a gatekeeper that can become the owner', (t) =>
    provesCheck(t, controlLoginMembership, {
      breaks: 'grant partywall_owner to partywall_gatekeeper',
      object: 'partywall_owner for partywall_gatekeeper',
    }))
})
