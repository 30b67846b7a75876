import { describe, test } from 'node:test'
import { ownedByApplication } from '../../../../src/postgres/doctor/checks/owned-by-application.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('owned-by-application finds', () => {
  test('a table of the app’s', (t) =>
    provesCheck(t, ownedByApplication, { breaks: 'alter table app.notes owner to partywall_app', object: 'table app.notes' }))

  test('a function of a tenant’s own login', (t) =>
    provesCheck(t, ownedByApplication, {
      breaks: `create role t_owner login in role partywall_tenants; create function app.one() returns integer language sql return 1;
        alter function app.one() owner to t_owner`,
      object: 'function app.one()',
    }))

  test('a schema of the group of tenants’ logins', (t) =>
    provesCheck(t, ownedByApplication, {
      breaks: `create role t_owner login in role partywall_tenants; create schema extra authorization partywall_tenants`,
      object: 'schema extra',
    }))
})
