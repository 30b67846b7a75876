import { describe, test } from 'node:test'
import { definerView } from '../../../../src/postgres/doctor/checks/definer-view.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('definer-view finds', () => {
  test('a view of a superuser', (t) =>
    provesCheck(t, definerView, {
      breaks: 'create view app.titles as select n.title from app.notes as n; grant select on app.titles to partywall_app',
      object: 'app.titles',
      level: 'error',
    }))

  test('a view of the owner', (t) =>
    provesCheck(t, definerView, {
      breaks:
        'create view app.titles as select n.title from app.notes as n; alter view app.titles owner to partywall_owner; grant select on app.titles to partywall_app',
      object: 'app.titles',
    }))

  test('a view on a view', (t) =>
    provesCheck(t, definerView, {
      breaks:
        'create view app.inner_titles as select n.title from app.notes as n; create view app.titles as select t.title from app.inner_titles as t; grant select on app.titles to partywall_app',
      object: 'app.titles',
      level: 'error',
    }))
})
