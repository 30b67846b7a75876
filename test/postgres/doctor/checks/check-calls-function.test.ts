import { describe, test } from 'node:test'
import { checkCallsFunction } from '../../../../src/postgres/doctor/checks/check-calls-function.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const sound = `${soundTables};
  create function app.is_word(value text) returns boolean language sql immutable return value ~ '^[a-z]+$';
  alter table app.notes add constraint notes_title_check check (app.is_word(title) and length(title) < 100)`

const counting = (how: string) => `
  create function app.is_new(value text) returns boolean language sql ${how} set search_path = app, pg_temp
    as 'select not exists (select from app.notes where title = value)';
  alter table app.notes add constraint notes_new_check check (app.is_new(title))`

describe('check-calls-function finds', () => {
  test('one that asks the table, as worth knowing', (t) =>
    provesCheck(t, checkCallsFunction, { before: sound, breaks: counting('stable'), object: 'notes_new_check on app.notes' }))

  test('one that asks it with the rights of another', (t) =>
    provesCheck(t, checkCallsFunction, {
      before: sound,
      breaks: counting('volatile security definer'),
      object: 'notes_new_check on app.notes',
      level: 'warning',
    }))

  test('an operator that does', (t) =>
    provesCheck(t, checkCallsFunction, {
      before: sound,
      breaks: `
        create function app.differs(a text, b text) returns boolean language plpgsql volatile as 'begin return a <> b; end';
        create operator app.<<>> (leftarg = text, rightarg = text, function = app.differs);
        alter table app.notes add constraint notes_differs_check check (title operator(app.<<>>) 'x')`,
      object: 'notes_differs_check on app.notes',
    }))
})
