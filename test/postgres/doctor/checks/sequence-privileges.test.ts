import { describe, test } from 'node:test'
import { sequencePrivileges } from '../../../../src/postgres/doctor/checks/sequence-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('sequence-privileges finds', () => {
  test('one that may be set', (t) =>
    provesCheck(t, sequencePrivileges, {
      breaks: 'create sequence app.counter; grant update on sequence app.counter to partywall_app',
      object: 'app.counter for partywall_app',
    }))

  test('one that may be read, as worth knowing', (t) =>
    provesCheck(t, sequencePrivileges, {
      breaks: 'create sequence app.counter; grant usage on sequence app.counter to partywall_app',
      object: 'app.counter for partywall_app',
      level: 'note',
    }))
})
