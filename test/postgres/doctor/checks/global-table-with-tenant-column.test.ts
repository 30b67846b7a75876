import { describe, test } from 'node:test'
import { globalTableWithTenantColumn } from '../../../../src/postgres/doctor/checks/global-table-with-tenant-column.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('global-table-with-tenant-column finds', () => {
  test('tenants’ rows that were declared global', (t) =>
    provesCheck(t, globalTableWithTenantColumn, {
      before: `create table app.countries (code text primary key); select partywall.declare_global('app.countries', 'the same for everybody')`,
      breaks: 'alter table app.countries add column tenant_id uuid',
      object: 'app.countries',
      mend: 'alter table app.countries drop column tenant_id',
    }))
})
