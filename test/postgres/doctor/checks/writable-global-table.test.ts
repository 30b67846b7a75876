import { describe, test } from 'node:test'
import { writableGlobalTable } from '../../../../src/postgres/doctor/checks/writable-global-table.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('writable-global-table finds', () => {
  test('a global table that the app writes', (t) =>
    provesCheck(t, writableGlobalTable, {
      before: `create table app.countries (code text primary key); select partywall.declare_global('app.countries', 'the same for everybody')`,
      breaks: 'grant insert on app.countries to partywall_app',
      object: 'app.countries',
    }))

  test('one with a column that everybody may change', (t) =>
    provesCheck(t, writableGlobalTable, {
      before: `create table app.countries (code text primary key); select partywall.declare_global('app.countries', 'the same for everybody')`,
      breaks: 'grant update (code) on app.countries to public',
      object: 'app.countries',
    }))
})
