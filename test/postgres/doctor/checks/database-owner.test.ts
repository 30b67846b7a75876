import { describe, test } from 'node:test'
import { databaseOwner } from '../../../../src/postgres/doctor/checks/database-owner.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('database-owner finds', () => {
  test('a database of a tenant’s own login', (t) =>
    provesCheck(t, databaseOwner, {
      breaks: `create role t_dba login in role partywall_tenants;
        do $$ begin execute format('alter database %I owner to t_dba', current_database()); end $$`,
      object: '{database}',
    }))
})
