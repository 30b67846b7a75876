import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { leftByMove } from '../../../../src/postgres/doctor/checks/left-by-move.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

const publication = 'pw_mv_019000000000700080000000000000e1'
const move = (finished: string) => `
  insert into partywall.moves (id, tenant_id, state, source, target, fence, actor_kind, actor_id, reason, finished_at)
  values ('01900000-0000-7000-8000-0000000000e1', '01900000-0000-7000-8000-0000000000b0', ${finished === 'null' ? `'copying'` : `'done'`},
    '{}', '{}', 1, 'staff', 'alice', 'a test', ${finished})`

describe('left-by-move finds', () => {
  test('a publication whose move is not in the catalog', (t) =>
    provesCheck(t, leftByMove, {
      breaks: `create publication ${publication} for table app.notes`,
      object: `publication ${publication}`,
    }))

  test('a publication whose move has been over for long', (t) =>
    provesCheck(t, leftByMove, {
      breaks: `create publication ${publication} for table app.notes; ${move(`now() - interval '1 hour'`)}`,
      object: `publication ${publication}`,
    }))

  test('a subscription, which gives no SQL: it is parted from its slot first', (t) =>
    provesCheck(t, leftByMove, {
      breaks: `create subscription ${publication} connection '' publication p with (connect = false, slot_name = none)`,
      object: `subscription ${publication}`,
      mend: `drop subscription ${publication}`,
    }))

  test('nothing of a move that is open or has just ended, and no publication of somebody else', async (t) => {
    for (const finished of ['null', 'now()']) {
      await inBrokenDatabase(t, async (superuser) => {
        await superuser.query(`create publication ${publication}; create publication pw_mv_of_others; ${move(finished)}`)
        assert.deepEqual(await findAsDoctor(superuser, leftByMove), [])
      })
    }
  })
})
