import { describe, test } from 'node:test'
import { cascadeAcrossTenants } from '../../../../src/postgres/doctor/checks/cascade-across-tenants.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const referring = `${soundTables};
  create table app.lines (
    tenant_id uuid not null, id uuid not null, note_id uuid, parent_id uuid,
    constraint lines_pkey primary key (tenant_id, id),
    constraint lines_parent_id_fkey foreign key (tenant_id, parent_id) references app.lines (tenant_id, id) on update cascade on delete set null (parent_id)
  );
  select partywall.protect('app.lines')`

describe('cascade-across-tenants finds', () => {
  for (const action of ['on delete cascade', 'on delete set null', 'on delete set default', 'on update cascade', 'on update set null']) {
    test(`a reference without the tenant ${action}`, (t) =>
      provesCheck(t, cascadeAcrossTenants, {
        before: referring,
        breaks: `
          alter table app.notes add constraint notes_id_key unique (id);
          alter table app.lines add constraint lines_note_id_fkey foreign key (note_id) references app.notes (id) ${action}`,
        object: 'lines_note_id_fkey on app.lines',
      }))
  }

  test('one that deletes what all tenants share', (t) =>
    provesCheck(t, cascadeAcrossTenants, {
      before: `${referring};
        create table app.sizes (code text primary key, note_id uuid);
        select partywall.declare_global('app.sizes', 'Sizes are the same for everybody.')`,
      breaks: `
        alter table app.notes add constraint notes_id_key unique (id);
        alter table app.sizes add constraint sizes_note_id_fkey foreign key (note_id) references app.notes (id) on delete cascade`,
      object: 'sizes_note_id_fkey on app.sizes',
      mend: 'alter table app.sizes drop constraint sizes_note_id_fkey',
    }))

  for (const action of ['on delete set null', 'on delete set default', 'on update set null']) {
    test(`a reference with the tenant, ${action}: the tenant goes as well`, (t) =>
      provesCheck(t, cascadeAcrossTenants, {
        before: referring,
        breaks: `alter table app.lines add constraint lines_note_id_fkey foreign key (tenant_id, note_id) references app.notes (tenant_id, id) ${action}`,
        object: 'lines_note_id_fkey on app.lines',
        level: 'warning',
      }))
  }
})
