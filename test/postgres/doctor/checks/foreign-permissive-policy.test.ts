import { describe, test } from 'node:test'
import { foreignPermissivePolicy } from '../../../../src/postgres/doctor/checks/foreign-permissive-policy.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('foreign-permissive-policy finds', () => {
  test('a permissive policy beside ours', (t) =>
    provesCheck(t, foreignPermissivePolicy, { breaks: 'create policy mine on app.notes using (true)', object: 'mine on app.notes' }))

  test('one that nothing stands behind', (t) =>
    provesCheck(t, foreignPermissivePolicy, {
      breaks: 'create policy mine on app.notes for select using (true); drop policy partywall_wall_select on app.notes',
      object: 'mine on app.notes',
      level: 'error',
    }))
})
