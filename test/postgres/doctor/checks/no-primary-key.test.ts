import { describe, test } from 'node:test'
import { noPrimaryKey } from '../../../../src/postgres/doctor/checks/no-primary-key.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('no-primary-key finds', () => {
  test('a table that has lost it', (t) =>
    provesCheck(t, noPrimaryKey, { breaks: 'alter table app.notes drop constraint notes_pkey', object: 'app.notes' }))

  test('one with another unique index, which can become it', (t) =>
    provesCheck(t, noPrimaryKey, {
      breaks:
        'alter table app.notes drop constraint notes_pkey, drop column id; create unique index notes_title_key on app.notes (tenant_id, title)',
      object: 'app.notes',
    }))

  test('one of which a person must say what names its rows', (t) =>
    provesCheck(t, noPrimaryKey, {
      breaks: 'alter table app.notes drop constraint notes_pkey, drop column id',
      object: 'app.notes',
      mend: 'alter table app.notes add primary key (tenant_id, title)',
    }))
})
