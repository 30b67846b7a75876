import { describe, test } from 'node:test'
import { columnGrants } from '../../../../src/postgres/doctor/checks/column-grants.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('column-grants finds', () => {
  test('a table without a wall', (t) =>
    provesCheck(t, columnGrants, {
      breaks: 'create table app.plain (tenant_id uuid, title text); grant select (title), update (title) on app.plain to partywall_app',
      object: 'app.plain for partywall_app',
    }))

  test('a global list that may be written', (t) =>
    provesCheck(t, columnGrants, {
      before: `create table app.countries (code text primary key, name text); select partywall.declare_global('app.countries', 'Countries are the same for all.')`,
      breaks: 'grant update (name) on app.countries to partywall_app',
      object: 'app.countries for partywall_app',
    }))
})
