import { describe, test } from 'node:test'
import { largeObjects } from '../../../../src/postgres/doctor/checks/large-objects.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('large-objects finds', () => {
  test('one that the app may read', (t) =>
    provesCheck(t, largeObjects, {
      breaks: 'select lo_create(70001); grant select on large object 70001 to partywall_app',
      object: 'large objects for partywall_app',
    }))
})
