import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { untrustedFunction } from '../../../../src/postgres/doctor/checks/untrusted-function.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('untrusted-function finds', () => {
  test('one that everybody may call', (t) =>
    provesCheck(t, untrustedFunction, {
      breaks: `create function app.raw() returns integer language internal as 'pg_backend_pid'`,
      object: 'app.raw() for public',
    }))
})

test('the constructors of a range type are PostgreSQL’s own', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query('create type app.uuid_range as range (subtype = uuid)')
    assert.deepEqual(await findAsDoctor(superuser, untrustedFunction), [])
  }))
