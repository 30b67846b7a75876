import { describe, test } from 'node:test'
import { readableMaterializedView } from '../../../../src/postgres/doctor/checks/readable-materialized-view.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('readable-materialized-view finds', () => {
  test('a materialized view that the app may read', (t) =>
    provesCheck(t, readableMaterializedView, {
      breaks: 'create materialized view app.totals as select 1 as n; grant select on app.totals to partywall_app',
      object: 'app.totals',
    }))
})
