import { describe, test } from 'node:test'
import { tenantColumnCollation } from '../../../../src/postgres/doctor/checks/tenant-column-collation.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const replaced = (type: string) =>
  `alter table app.notes rename column tenant_id to was; alter table app.notes add column tenant_id ${type} not null default ''`
const mend = 'alter table app.notes drop column tenant_id; alter table app.notes rename column was to tenant_id'

describe('tenant-column-collation finds', () => {
  test('a key by the server’s collation', (t) =>
    provesCheck(t, tenantColumnCollation, { breaks: replaced('text'), object: 'app.notes.tenant_id', mend }))

  test('a key of which two spellings are equal', (t) =>
    provesCheck(t, tenantColumnCollation, {
      breaks: `create collation app.loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false); ${replaced('text collate app.loose')}`,
      object: 'app.notes.tenant_id',
      level: 'error',
      mend,
    }))

  test('blanks that do not count, under a policy by hand', (t) =>
    provesCheck(t, tenantColumnCollation, {
      breaks: `create table app.letters (tenant_id char(8)); alter table app.letters enable row level security; create policy mine on app.letters using (tenant_id = 'acme')`,
      object: 'app.letters.tenant_id',
      level: 'error',
      mend: 'drop table app.letters',
    }))
})
