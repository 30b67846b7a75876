import { describe, test } from 'node:test'
import { auditLogWritable } from '../../../../src/postgres/doctor/checks/audit-log-writable.ts'
import { provesCheck, soundTables } from '../../../support/doctor-stage.ts'

const before = `${soundTables};
  set local search_path = app, pg_temp;
  select partywall.create_audit_log();
  select partywall.audit_changes('app.notes')`

describe('audit-log-writable finds', () => {
  test('what the application may write', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'grant insert, truncate on app.audit_log to partywall_app',
      object: 'app.audit_log for partywall_app',
    }))

  test('a log that was protected once more, as if it were a table like others', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: `select partywall.protect('app.audit_log')`,
      object: 'app.audit_log for partywall_app',
    }))

  test('a column that everybody may write', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'grant update (payload) on app.audit_log to public',
      object: 'app.audit_log for public',
    }))

  test('an outbox that the application may read', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'grant select on app.audit_outbox to partywall_app',
      object: 'app.audit_outbox for partywall_app',
    }))

  test('somebody whom the application’s SQL cannot become, as a warning', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'create role t_reporting; grant delete on app.audit_log to t_reporting',
      object: 'app.audit_log for t_reporting',
      level: 'warning',
    }))

  test('a log that belongs to somebody else', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'create role t_someone; alter table app.audit_log owner to t_someone',
      object: 'app.audit_log',
    }))

  test('changes that are not recorded any more', (t) =>
    provesCheck(t, auditLogWritable, {
      before,
      breaks: 'alter table app.notes disable trigger partywall_audit',
      object: 'app.notes',
      level: 'warning',
    }))
})
