import { describe, test } from 'node:test'
import { md5Passwords } from '../../../../src/postgres/doctor/checks/md5-passwords.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('md5-passwords finds', () => {
  test('a server that makes MD5 of passwords', (t) =>
    provesCheck(t, md5Passwords, {
      breaks: `set local password_encryption = 'md5'`,
      object: 'password_encryption',
      mend: `set local password_encryption = 'scram-sha-256'`,
    }))
})
