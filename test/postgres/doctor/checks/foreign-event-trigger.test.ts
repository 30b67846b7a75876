import { describe, test } from 'node:test'
import { foreignEventTrigger } from '../../../../src/postgres/doctor/checks/foreign-event-trigger.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('foreign-event-trigger finds', () => {
  const heard = `create function app.heard() returns event_trigger language plpgsql as 'begin end'`

  test('one that a superuser made', (t) =>
    provesCheck(t, foreignEventTrigger, {
      breaks: `${heard}; create event trigger hearing on ddl_command_end execute function app.heard()`,
      object: 'hearing',
    }))

  test('one whose function somebody else may change', (t) =>
    provesCheck(t, foreignEventTrigger, {
      breaks: `${heard}; alter function app.heard() owner to partywall_owner; create event trigger hearing on ddl_command_end execute function app.heard()`,
      object: 'hearing',
      level: 'warning',
    }))
})
