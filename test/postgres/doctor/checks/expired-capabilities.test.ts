import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { expiredCapabilities } from '../../../../src/postgres/doctor/checks/expired-capabilities.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

const bob = '01900000-0000-7000-8000-0000000000b0'
const expired = (count: number) => `
  insert into partywall.gates (tenant_id) values ('${bob}');
  insert into partywall.capabilities (capability, tenant_id, state, expires_at)
  select gen_random_uuid(), '${bob}', 'open', now() - interval '2 hours' from generate_series(1, ${count})`

describe('expired-capabilities finds', () => {
  test('more than are cleared away in one go', (t) =>
    provesCheck(t, expiredCapabilities, { breaks: expired(10_001), object: 'partywall.capabilities' }))

  test('nothing in those that are to be cleared away soon', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      await superuser.query(expired(10_000))
      assert.deepEqual(await findAsDoctor(superuser, expiredCapabilities), [])
    })
  })
})
