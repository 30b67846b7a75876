import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stuckMove } from '../../../../src/postgres/doctor/checks/stuck-move.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('stuck-move finds', () => {
  test('one that no mover has taken for long', (t) =>
    provesCheck(t, stuckMove, {
      breaks: `insert into partywall.moves (id, tenant_id, state, source, target, fence, actor_kind, actor_id, reason, due_at, owned_until)
        values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'copying', '{}', '{}', 1, 'staff', 'alice', 'a test', now() - interval '1 hour', null)`,
      object: '01900000-0000-7000-8000-0000000000e1',
      mend: `update partywall.moves set state = 'cancelled', finished_at = now()`,
    }))

  test('none that a mover holds', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      await superuser.query(
        `insert into partywall.moves (id, tenant_id, state, source, target, fence, actor_kind, actor_id, reason, due_at, owned_until)
         values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', 'copying', '{}', '{}', 1, 'staff', 'alice', 'a test', now() - interval '1 hour', now() + interval '1 minute')`,
      )
      assert.deepEqual(await findAsDoctor(superuser, stuckMove), [])
    })
  })
})
