import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rewriteRule } from '../../../../src/postgres/doctor/checks/rewrite-rule.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck, soundTables } from '../../../support/doctor-stage.ts'

describe('rewrite-rule finds', () => {
  test('a rule that writes elsewhere what is inserted', (t) =>
    provesCheck(t, rewriteRule, {
      breaks:
        'create table app.copies (title text); create rule copied as on insert to app.notes do also insert into app.copies (title) values (new.title)',
      object: 'copied on app.notes',
    }))

  test('a rule that turns deleting into nothing', (t) =>
    provesCheck(t, rewriteRule, { breaks: 'create rule kept as on delete to app.notes do instead nothing', object: 'kept on app.notes' }))
})

test('a view’s own rule is none', (t) =>
  inBrokenDatabase(t, async (superuser) => {
    await superuser.query(
      `set local role partywall_owner; ${soundTables}; create view app.titles with (security_invoker) as select n.title from app.notes as n; reset role`,
    )
    assert.deepEqual(await findAsDoctor(superuser, rewriteRule), [])
  }))
