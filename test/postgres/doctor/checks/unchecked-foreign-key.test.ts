import { describe, test } from 'node:test'
import { uncheckedForeignKey } from '../../../../src/postgres/doctor/checks/unchecked-foreign-key.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const referring = `${soundTables};
  create table app.lines (
    tenant_id uuid not null, id uuid not null, note_id uuid, page integer, row integer,
    constraint lines_pkey primary key (tenant_id, id),
    constraint lines_note_id_fkey foreign key (tenant_id, note_id) references app.notes (tenant_id, id)
  );
  select partywall.protect('app.lines')`

const pages = `
  create table app.pages (tenant_id uuid not null, page integer not null, row integer not null, constraint pages_pkey primary key (tenant_id, page, row));
  select partywall.protect('app.pages')`

describe('unchecked-foreign-key finds', () => {
  test('one whose tenant may be null', (t) =>
    provesCheck(t, uncheckedForeignKey, {
      before: referring,
      breaks: `alter table app.lines drop constraint lines_pkey, alter column tenant_id drop not null`,
      object: 'lines_note_id_fkey on app.lines',
    }))

  test('one whose triggers are switched off', (t) =>
    provesCheck(t, uncheckedForeignKey, {
      before: referring,
      breaks: 'alter table app.lines disable trigger all',
      object: 'lines_note_id_fkey on app.lines',
    }))

  test('one that is not enforced', (t) =>
    provesCheck(t, uncheckedForeignKey, {
      before: referring,
      breaks: 'alter table app.lines alter constraint lines_note_id_fkey not enforced',
      object: 'lines_note_id_fkey on app.lines',
    }))

  test('one that has not looked at older rows, as worth knowing', (t) =>
    provesCheck(t, uncheckedForeignKey, {
      before: referring,
      breaks: `
        alter table app.lines drop constraint lines_note_id_fkey,
          add constraint lines_note_id_fkey foreign key (tenant_id, note_id) references app.notes (tenant_id, id) not valid`,
      object: 'lines_note_id_fkey on app.lines',
      level: 'note',
    }))

  test('one of which a part may be null, as worth knowing', (t) =>
    provesCheck(t, uncheckedForeignKey, {
      before: `${referring};${pages}`,
      breaks:
        'alter table app.lines add constraint lines_page_fkey foreign key (tenant_id, page, row) references app.pages (tenant_id, page, row)',
      object: 'lines_page_fkey on app.lines',
      level: 'note',
    }))
})
