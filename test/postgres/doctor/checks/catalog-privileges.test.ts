import { describe, test } from 'node:test'
import { catalogPrivileges } from '../../../../src/postgres/doctor/checks/catalog-privileges.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('catalog-privileges finds', () => {
  test('the samples of all tables', (t) =>
    provesCheck(t, catalogPrivileges, {
      breaks: 'grant select on pg_catalog.pg_statistic to partywall_app',
      object: 'pg_catalog.pg_statistic for partywall_app',
    }))

  test('a catalog that everybody may write', (t) =>
    provesCheck(t, catalogPrivileges, {
      breaks: 'grant update on pg_catalog.pg_class to public',
      object: 'pg_catalog.pg_class for public',
    }))
})
