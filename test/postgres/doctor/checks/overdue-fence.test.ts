import { describe, test } from 'node:test'
import { overdueFence } from '../../../../src/postgres/doctor/checks/overdue-fence.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('overdue-fence finds', () => {
  test('one whose mover is gone', (t) =>
    provesCheck(t, overdueFence, {
      breaks: `insert into partywall.gates (tenant_id, state, resting_state, fence, fenced_until)
        values ('01900000-0000-7000-8000-00000000000b', 'fenced', 'open', 1, now() - interval '1 hour')`,
      object: '01900000-0000-7000-8000-00000000000b',
      mend: `update partywall.gates set state = 'open', resting_state = null, fenced_until = null where fenced_until is not null`,
    }))
})
