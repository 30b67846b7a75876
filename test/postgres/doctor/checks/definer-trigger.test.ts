import { describe, test } from 'node:test'
import { definerTrigger } from '../../../../src/postgres/doctor/checks/definer-trigger.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const sound = `${soundTables};
  create function app.mark() returns trigger language plpgsql security definer set search_path = app, pg_temp as 'begin return new; end';
  create trigger marked before insert on app.notes for each row execute function app.mark()`

describe('definer-trigger finds', () => {
  test('a function of the superuser', (t) =>
    provesCheck(t, definerTrigger, {
      before: sound,
      breaks: `
        create function app.count_all() returns trigger language plpgsql security definer set search_path = app, pg_temp as 'begin return new; end';
        revoke execute on function app.count_all() from public;
        create trigger counted before insert on app.notes for each row execute function app.count_all()`,
      object: 'counted on app.notes',
    }))

  test('one of the gatekeeper', (t) =>
    provesCheck(t, definerTrigger, {
      before: sound,
      breaks: 'grant create on schema app to partywall_gatekeeper; alter function app.mark() owner to partywall_gatekeeper',
      object: 'marked on app.notes',
    }))
})
