import { describe, test } from 'node:test'
import { settingsForAll } from '../../../../src/postgres/doctor/checks/settings-for-all.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('settings-for-all finds', () => {
  test('one for the database', (t) =>
    provesCheck(t, settingsForAll, {
      breaks: `do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$`,
      object: '{database}: session_replication_role',
    }))

  test('one for all roles', (t) =>
    provesCheck(t, settingsForAll, { breaks: 'alter role all set row_security = off', object: 'all roles: row_security' }))
})
