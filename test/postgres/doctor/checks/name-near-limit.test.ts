import { describe, test } from 'node:test'
import { nameNearLimit } from '../../../../src/postgres/doctor/checks/name-near-limit.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const near = 'n'.repeat(60)
const cut = 'n'.repeat(70)
const kept = 'n'.repeat(63)

describe('name-near-limit finds', () => {
  test('a column that is nearly too long', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `alter table app.notes add column ${near} text`,
      object: `app.notes.${near}`,
      mend: `alter table app.notes rename column ${near} to n`,
    }))

  test('a table whose name was cut', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `alter table app.notes rename to ${cut}; update partywall.protected_tables set table_name = 'app.${kept}'`,
      object: `app.${kept}`,
      level: 'warning',
      mend: `drop table app.${kept}`,
    }))

  test('one that was cut before a character that did not fit', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `alter table app.notes add column "${'é'.repeat(40)}" text`,
      object: `app.notes."${'é'.repeat(31)}"`,
      level: 'warning',
      mend: `alter table app.notes drop column "${'é'.repeat(31)}"`,
    }))

  test('a policy', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `create policy ${cut} on app.notes as restrictive using (true)`,
      object: `policy ${kept} on app.notes`,
      level: 'warning',
      mend: `drop policy ${kept} on app.notes`,
    }))

  test('a schema', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `
        create schema ${cut}; alter schema ${kept} owner to partywall_owner;
        create table ${kept}.notes (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));
        alter table ${kept}.notes owner to partywall_owner;
        select partywall.protect('${kept}.notes')`,
      object: `schema ${kept}`,
      level: 'warning',
      mend: `drop table ${kept}.notes`,
    }))

  test('a function beside the tables', (t) =>
    provesCheck(t, nameNearLimit, {
      breaks: `create function app.${cut}() returns integer language sql as 'select 1'`,
      object: `function app.${kept}()`,
      level: 'warning',
      mend: `drop function app.${kept}()`,
    }))
})
