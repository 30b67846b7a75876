import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loginLimits } from '../../../../src/postgres/doctor/checks/login-limits.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('login-limits finds', () => {
  test('a tenant’s login that may wait for locks for ever', (t) =>
    provesCheck(t, loginLimits, {
      breaks:
        'create role t_limits login in role partywall_tenants; alter role t_limits set statement_timeout = 1000; alter role t_limits set lock_timeout = 0',
      object: 't_limits: lock_timeout',
    }))

  test('a login without any', (t) =>
    provesCheck(t, loginLimits, {
      breaks: 'create role t_limits login in role partywall_tenants',
      object: /^t_limits: (statement_timeout|lock_timeout|idle_in_transaction_session_timeout)$/,
    }))

  test('a limit that is taken away in one database', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      const [here] = await superuser.query<{ name: string }>('select quote_ident(current_database()) as name')
      const found = async () =>
        (await findAsDoctor(superuser, loginLimits)).filter(({ object }) => object === `partywall_app in ${here!.name}: statement_timeout`)
      await superuser.query(`alter role partywall_app in database ${here!.name} set statement_timeout = 1000`)
      assert.deepEqual(await found(), [], 'one that is shorter there')
      await superuser.query(`alter role partywall_app in database ${here!.name} set statement_timeout = 0`)
      const [said] = await found()
      await superuser.query(said!.fix!)
      assert.deepEqual(await found(), [])
    }))
})
