import { describe, test } from 'node:test'
import { statementsReadable } from '../../../../src/postgres/doctor/checks/statements-readable.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('statements-readable finds', () => {
  test('the view and the function that the extension gives everybody', (t) =>
    provesCheck(t, statementsReadable, {
      breaks: 'create extension pg_stat_statements schema public',
      object: /^public.pg_stat_statements.* for public$/,
    }))
})
