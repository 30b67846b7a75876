import { describe, test } from 'node:test'
import { publicPrivileges } from '../../../../src/postgres/doctor/checks/public-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('public-privileges finds', () => {
  test('a table that everybody may read', (t) =>
    provesCheck(t, publicPrivileges, { breaks: 'grant select on app.notes to public', object: 'app.notes' }))

  test('a schema that everybody may enter', (t) =>
    provesCheck(t, publicPrivileges, { breaks: 'grant usage on schema app to public', object: 'schema app' }))
})
