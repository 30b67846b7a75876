import { describe, test } from 'node:test'
import { rowSecurityNotForced } from '../../../../src/postgres/doctor/checks/row-security-not-forced.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('row-security-not-forced finds', () => {
  test('a protected table that its owner sees whole', (t) =>
    provesCheck(t, rowSecurityNotForced, { breaks: 'alter table app.notes no force row level security', object: 'app.notes' }))
})
