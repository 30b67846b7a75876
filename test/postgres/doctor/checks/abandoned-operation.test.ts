import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { abandonedOperation } from '../../../../src/postgres/doctor/checks/abandoned-operation.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('abandoned-operation finds', () => {
  test('one whose runner is gone', (t) =>
    provesCheck(t, abandonedOperation, {
      breaks: `insert into partywall.operations (id, tenant_id, kind, state, input, actor_kind, actor_id, reason, owner, owned_until, wake_at, updated_at)
        values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'offboard', 'running', '{}', 'staff', 'alice', 'a test', 'runner', now() - interval '1 hour', null, now())`,
      object: '01900000-0000-7000-8000-0000000000e1',
      mend: `update partywall.operations set state = 'cancelled', finished_at = now(), wake_at = null`,
    }))

  test('one that failed, and that nobody has decided', (t) =>
    provesCheck(t, abandonedOperation, {
      breaks: `insert into partywall.operations (id, tenant_id, kind, state, input, actor_kind, actor_id, reason, owner, owned_until, wake_at, updated_at)
        values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'offboard', 'failed', '{}', 'staff', 'alice', 'a test', 'runner', now() - interval '1 hour', null, now() - interval '1 hour')`,
      object: '01900000-0000-7000-8000-0000000000e1',
      mend: `update partywall.operations set state = 'cancelled', finished_at = now(), wake_at = null`,
    }))

  test('one that should have gone on', (t) =>
    provesCheck(t, abandonedOperation, {
      breaks: `insert into partywall.operations (id, tenant_id, kind, state, input, actor_kind, actor_id, reason, owner, owned_until, wake_at, updated_at)
        values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'offboard', 'waiting', '{}', 'staff', 'alice', 'a test', 'runner', now() - interval '1 hour', now() - interval '1 hour', now())`,
      object: '01900000-0000-7000-8000-0000000000e1',
      mend: `update partywall.operations set state = 'cancelled', finished_at = now(), wake_at = null`,
    }))

  test('none that is being worked on, or waits for its time', async (t) => {
    for (const rest of [`'running', now() + interval '1 minute', null`, `'waiting', now() - interval '1 hour', now() + interval '1 day'`]) {
      await inBrokenDatabase(t, async (superuser) => {
        await superuser.query(
          `insert into partywall.operations (id, tenant_id, kind, input, actor_kind, actor_id, reason, owner, state, owned_until, wake_at)
           values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'offboard', '{}', 'staff', 'alice', 'a test', 'runner', ${rest})`,
        )
        assert.deepEqual(await findAsDoctor(superuser, abandonedOperation), [])
      })
    }
  })
})
