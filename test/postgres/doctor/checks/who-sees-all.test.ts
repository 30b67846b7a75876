import { describe, test } from 'node:test'
import { whoSeesAll } from '../../../../src/postgres/doctor/checks/who-sees-all.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('who-sees-all finds', () => {
  test('a login that bypasses policies', (t) =>
    provesCheck(t, whoSeesAll, {
      breaks: 'create role all_seeing login bypassrls',
      object: 'all_seeing',
      mend: 'alter role all_seeing nobypassrls',
    }))

  test('one that can become the owner', (t) =>
    provesCheck(t, whoSeesAll, {
      breaks: 'create role all_seeing login; grant partywall_owner to all_seeing',
      object: 'all_seeing',
      mend: 'revoke partywall_owner from all_seeing',
    }))

  test('one that reads the server’s files', (t) =>
    provesCheck(t, whoSeesAll, {
      breaks: 'create role all_seeing login; grant pg_read_server_files to all_seeing',
      object: 'all_seeing',
      mend: 'revoke pg_read_server_files from all_seeing',
    }))
})
