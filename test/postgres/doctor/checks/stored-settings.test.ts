import { describe, test } from 'node:test'
import { storedSettings } from '../../../../src/postgres/doctor/checks/stored-settings.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('stored-settings finds', () => {
  test('a search path', (t) =>
    provesCheck(t, storedSettings, {
      breaks: 'create role t_stored login in role partywall_tenants; alter role t_stored set search_path = evil, app',
      object: 't_stored: search_path',
    }))

  test('a role that is taken at once, in one database', (t) =>
    provesCheck(t, storedSettings, {
      breaks: `create role t_stored login in role partywall_tenants;
        do $$ begin execute format('alter role t_stored in database %I set role = partywall_tenants', current_database()); end $$`,
      object: 't_stored in {database}: role',
    }))

  test('a setting of partywall’s', (t) =>
    provesCheck(t, storedSettings, {
      breaks: `create role t_stored login in role partywall_tenants; alter role t_stored set partywall.capability = 'x'`,
      object: 't_stored: partywall.capability',
    }))
})
