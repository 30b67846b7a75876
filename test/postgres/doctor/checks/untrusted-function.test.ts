import { describe, test } from 'node:test'
import { untrustedFunction } from '../../../../src/postgres/doctor/checks/untrusted-function.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('untrusted-function finds', () => {
  test('one that everybody may call', (t) =>
    provesCheck(t, untrustedFunction, {
      breaks: `create function app.raw() returns integer language internal as 'pg_backend_pid'`,
      object: 'app.raw() for public',
    }))
})
