import { describe, test } from 'node:test'
import { tenantLoginElsewhere } from '../../../../src/postgres/doctor/checks/tenant-login-elsewhere.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('tenant-login-elsewhere finds', () => {
  test('a tenant’s login that may connect to a shared database', (t) =>
    provesCheck(t, tenantLoginElsewhere, {
      breaks: `create role t_guest login in role partywall_tenants;
        do $$ begin execute format('grant connect on database %I to t_guest', current_database()); end $$`,
      object: '{database} for t_guest',
    }))

  test('a database that every login may connect to, as a thinner wall', (t) =>
    provesCheck(t, tenantLoginElsewhere, {
      breaks: `create role t_guest login in role partywall_tenants;
        do $$ begin execute format('grant connect on database %I to public', current_database()); end $$`,
      object: '{database} for public',
      level: 'warning',
    }))

  test('the group of tenants’ logins let in, once for all of them', (t) =>
    provesCheck(t, tenantLoginElsewhere, {
      breaks: `create role t_guest login in role partywall_tenants; create role t_other login in role partywall_tenants;
        do $$ begin execute format('grant connect on database %I to partywall_tenants', current_database()); end $$`,
      object: '{database} for partywall_tenants',
    }))
})
