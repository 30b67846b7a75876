import { describe, test } from 'node:test'
import { longLivedCapability } from '../../../../src/postgres/doctor/checks/long-lived-capability.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('long-lived-capability finds', () => {
  test('one that was written by hand', (t) =>
    provesCheck(t, longLivedCapability, {
      breaks: `insert into partywall.gates (tenant_id) values ('01900000-0000-7000-8000-00000000000b');
        insert into partywall.capabilities (capability, tenant_id, state, expires_at)
        values (gen_random_uuid(), '01900000-0000-7000-8000-00000000000b', 'open', 'infinity')`,
      object: '01900000-0000-7000-8000-00000000000b',
    }))
})
