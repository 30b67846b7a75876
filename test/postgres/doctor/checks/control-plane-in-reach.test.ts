import { describe, test } from 'node:test'
import { controlPlaneInReach } from '../../../../src/postgres/doctor/checks/control-plane-in-reach.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('control-plane-in-reach finds', () => {
  test('the capabilities', (t) =>
    provesCheck(t, controlPlaneInReach, {
      breaks: 'grant select on partywall.capabilities to partywall_app',
      object: 'partywall.capabilities for partywall_app',
    }))

  test('one column of the gates', (t) =>
    provesCheck(t, controlPlaneInReach, {
      breaks: 'grant update (state) on partywall.gates to partywall_app',
      object: 'partywall.gates for partywall_app',
    }))

  test('the function that issues capabilities', (t) =>
    provesCheck(t, controlPlaneInReach, {
      breaks: 'grant execute on function partywall.issue(uuid[], interval, text) to public',
      object: /^partywall.issue\(.* for public$/,
    }))

  test('what is a tenant’s own login’s alone', (t) =>
    provesCheck(t, controlPlaneInReach, {
      breaks: 'grant execute on function partywall.issue_own(interval, text) to partywall_app',
      object: /^partywall.issue_own\(.* for partywall_app$/,
    }))
})
