import { describe, test } from 'node:test'
import { noRestrictiveTwin } from '../../../../src/postgres/doctor/checks/no-restrictive-twin.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const letters = (policies: string) => `
  create table app.letters (tenant_id uuid not null, id uuid not null, is_public boolean not null default false, primary key (tenant_id, id));
  alter table app.letters owner to partywall_owner;
  alter table app.letters enable row level security, force row level security;
  grant select, insert, update, delete on app.letters to partywall_app;
  ${policies}`

describe('no-restrictive-twin finds', () => {
  test('permissive policies that open what each other closes', (t) =>
    provesCheck(t, noRestrictiveTwin, {
      breaks: letters(
        'create policy mine on app.letters using (tenant_id = partywall.tenant_id()); create policy shown on app.letters for select using (is_public)',
      ),
      object: 'app.letters',
      mend: 'create policy wall on app.letters as restrictive using (tenant_id = partywall.tenant_id())',
    }))

  test('one permissive policy that stands alone', (t) =>
    provesCheck(t, noRestrictiveTwin, {
      breaks: letters('create policy mine on app.letters using (tenant_id = partywall.tenant_id())'),
      object: 'app.letters',
      level: 'note',
    }))
})
