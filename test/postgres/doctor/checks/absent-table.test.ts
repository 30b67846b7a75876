import { describe, test } from 'node:test'
import { absentTable } from '../../../../src/postgres/doctor/checks/absent-table.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('absent-table finds', () => {
  test('a protected table that was dropped', (t) =>
    provesCheck(t, absentTable, { breaks: 'drop table app.notes', object: 'protected_tables: app.notes' }))

  test('a global one that was renamed', (t) =>
    provesCheck(t, absentTable, {
      before: `create table app.countries (code text primary key); select partywall.declare_global('app.countries', 'the same for all tenants')`,
      breaks: 'alter table app.countries rename to lands',
      object: 'global_tables: app.countries',
    }))
})
