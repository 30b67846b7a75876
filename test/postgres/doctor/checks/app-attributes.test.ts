import { describe, test } from 'node:test'
import { appAttributes } from '../../../../src/postgres/doctor/checks/app-attributes.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('app-attributes finds', () => {
  test('an app that is a superuser', (t) =>
    provesCheck(t, appAttributes, { breaks: 'alter role partywall_app superuser', object: 'partywall_app' }))

  test('a tenant’s own login that bypasses policies', (t) =>
    provesCheck(t, appAttributes, { breaks: 'create role t_attributes login bypassrls in role partywall_tenants', object: 't_attributes' }))

  test('a login that may create databases, as a thinner wall', (t) =>
    provesCheck(t, appAttributes, {
      breaks: 'create role t_attributes login createdb in role partywall_tenants',
      object: 't_attributes',
      level: 'warning',
    }))
})
