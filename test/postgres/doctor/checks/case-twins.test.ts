import { describe, test } from 'node:test'
import { caseTwins } from '../../../../src/postgres/doctor/checks/case-twins.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('case-twins finds', () => {
  test('a table beside a protected one', (t) =>
    provesCheck(t, caseTwins, {
      breaks: 'create table app."Notes" (id uuid)',
      object: 'app."Notes" and app.notes',
      mend: 'drop table app."Notes"',
    }))

  test('a view, and blanks', (t) =>
    provesCheck(t, caseTwins, {
      breaks: 'create view app."notes " as select 1 as one',
      object: 'app."notes " and app.notes',
      mend: 'drop view app."notes "',
    }))

  test('a second tenant column', (t) =>
    provesCheck(t, caseTwins, {
      breaks: 'alter table app.notes add column "Tenant_ID" uuid',
      object: 'app.notes."Tenant_ID" and app.notes.tenant_id',
      mend: 'alter table app.notes drop column "Tenant_ID"',
    }))

  test('a schema', (t) =>
    provesCheck(t, caseTwins, {
      breaks: 'create schema "App"',
      object: 'schema "App" and schema app',
      mend: 'drop schema "App"',
    }))
})
