import { describe, test } from 'node:test'
import { publicConnect } from '../../../../src/postgres/doctor/checks/public-connect.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('public-connect finds', () => {
  test('a database that is open again', (t) =>
    provesCheck(t, publicConnect, {
      breaks: `do $$ begin execute format('grant connect on database %I to public', current_database()); end $$`,
      object: '{database}',
    }))
})
