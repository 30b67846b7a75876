import { describe, test } from 'node:test'
import { nameInPublic } from '../../../../src/postgres/doctor/checks/name-in-public.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('name-in-public finds', () => {
  test('a table that the application may use', (t) =>
    provesCheck(t, nameInPublic, {
      breaks:
        'create table public.notes (id uuid); grant usage on schema public to partywall_app; grant select on public.notes to partywall_app',
      object: 'public.notes',
      mend: 'drop table public.notes',
    }))

  test('a view that it may not use, as worth knowing', (t) =>
    provesCheck(t, nameInPublic, {
      breaks: 'create view public.notes as select 1 as one',
      object: 'public.notes',
      level: 'note',
      mend: 'alter view public.notes rename to all_notes',
    }))
})
