import { describe, test } from 'node:test'
import { tenantColumnType } from '../../../../src/postgres/doctor/checks/tenant-column-type.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('tenant-column-type finds', () => {
  test('a tenant column that is gone', (t) =>
    provesCheck(t, tenantColumnType, {
      breaks: 'alter table app.notes drop column tenant_id cascade',
      object: 'app.notes.tenant_id',
      mend: 'drop table app.notes',
    }))

  test('one in which “acme” and “acme ” are one', (t) =>
    provesCheck(t, tenantColumnType, {
      breaks: `alter table app.notes rename column tenant_id to was; alter table app.notes add column tenant_id char(12) not null default ''`,
      object: 'app.notes.tenant_id',
      mend: 'alter table app.notes drop column tenant_id; alter table app.notes rename column was to tenant_id',
    }))

  test('a number that rounds', (t) =>
    provesCheck(t, tenantColumnType, {
      breaks: 'alter table app.notes rename column tenant_id to was; alter table app.notes add column tenant_id numeric not null default 0',
      object: 'app.notes.tenant_id',
      mend: 'alter table app.notes drop column tenant_id; alter table app.notes rename column was to tenant_id',
    }))
})
