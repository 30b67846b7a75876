import { describe, test } from 'node:test'
import { readableForeignTable } from '../../../../src/postgres/doctor/checks/readable-foreign-table.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('readable-foreign-table finds', () => {
  test('a foreign table that the app may read', (t) =>
    provesCheck(t, readableForeignTable, {
      breaks:
        'create foreign data wrapper elsewhere; create server there foreign data wrapper elsewhere; create foreign table app.totals (n integer) server there; grant select on app.totals to partywall_app',
      object: 'app.totals',
    }))
})
