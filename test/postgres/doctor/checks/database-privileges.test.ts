import { describe, test } from 'node:test'
import { databasePrivileges } from '../../../../src/postgres/doctor/checks/database-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('database-privileges finds', () => {
  test('temporary tables for everybody', (t) =>
    provesCheck(t, databasePrivileges, {
      breaks: `do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$`,
      object: '{database} for public',
    }))

  test('schemas for the app', (t) =>
    provesCheck(t, databasePrivileges, {
      breaks: `do $$ begin execute format('grant create on database %I to partywall_app', current_database()); end $$`,
      object: '{database} for partywall_app',
    }))
})
