import { describe, test } from 'node:test'
import { nullableTenantColumn } from '../../../../src/postgres/doctor/checks/nullable-tenant-column.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('nullable-tenant-column finds', () => {
  test('a tenant column that may be null', (t) =>
    provesCheck(t, nullableTenantColumn, {
      breaks: 'alter table app.notes drop constraint notes_pkey; alter table app.notes alter column tenant_id drop not null',
      object: 'app.notes.tenant_id',
    }))
})
