import { describe, test } from 'node:test'
import { disabledTrigger } from '../../../../src/postgres/doctor/checks/disabled-trigger.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('disabled-trigger finds', () => {
  test('a trigger of partywall’s own tables', (t) =>
    provesCheck(t, disabledTrigger, {
      breaks: 'alter table partywall.audit_trail disable trigger audit_trail_append_only',
      object: 'audit_trail_append_only on partywall.audit_trail',
    }))

  test('a guard of replicated rows that is switched off', (t) =>
    provesCheck(t, disabledTrigger, {
      breaks: 'alter table app.notes disable trigger partywall_guard_update',
      object: 'replication guard of app.notes',
    }))

  test('a guard that is gone', (t) =>
    provesCheck(t, disabledTrigger, {
      breaks: 'drop trigger partywall_guard_insert on app.notes',
      object: 'replication guard of app.notes',
    }))

  test('a guard that asks nothing', (t) =>
    provesCheck(t, disabledTrigger, {
      breaks: `create or replace trigger partywall_guard_delete after delete on app.notes for each row when (false) execute function partywall.refuse_applied_row();
        alter table app.notes enable replica trigger partywall_guard_delete`,
      object: 'replication guard of app.notes',
    }))

  test('foreign keys that are not checked', (t) =>
    provesCheck(t, disabledTrigger, {
      before: `${soundTables};
        create table app.pages (
          tenant_id uuid not null, id uuid not null default partywall.uuidv7(), note_id uuid not null,
          constraint pages_pkey primary key (tenant_id, id),
          constraint pages_note_fkey foreign key (tenant_id, note_id) references app.notes (tenant_id, id)
        );
        create index on app.pages (tenant_id, note_id);
        select partywall.protect('app.pages')`,
      breaks: 'alter table app.pages disable trigger all',
      object: 'foreign keys of app.pages',
      mend: `select partywall.guard_applied_rows('app.pages', 'tenant_id')`,
    }))
})
