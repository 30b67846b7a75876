import { describe, test } from 'node:test'
import { grantOption } from '../../../../src/postgres/doctor/checks/grant-option.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('grant-option finds', () => {
  test('on a table', (t) =>
    provesCheck(t, grantOption, {
      breaks: 'grant select on app.notes to partywall_app with grant option',
      object: 'table app.notes for partywall_app',
    }))

  test('on a schema', (t) =>
    provesCheck(t, grantOption, {
      breaks: 'grant usage on schema app to partywall_app with grant option',
      object: 'schema app for partywall_app',
    }))
})
