import { describe, test } from 'node:test'
import { defaultExecute } from '../../../../src/postgres/doctor/checks/default-execute.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('default-execute finds', () => {
  test('an owner whose defaults were reset', (t) =>
    provesCheck(t, defaultExecute, {
      breaks: 'alter default privileges for role partywall_owner grant execute on functions to public',
      object: 'partywall_owner',
    }))
})
