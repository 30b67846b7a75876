import { describe, test } from 'node:test'
import { rowSecurityOff } from '../../../../src/postgres/doctor/checks/row-security-off.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('row-security-off finds', () => {
  test('a protected table whose policies are switched off', (t) =>
    provesCheck(t, rowSecurityOff, { breaks: 'alter table app.notes disable row level security', object: 'app.notes' }))
})
