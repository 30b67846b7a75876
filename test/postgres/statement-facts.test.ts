// What a text is said to be in the audit log.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadStatementParser, statementFacts } from '../../src/postgres/statement-facts.ts'

before(async () => await loadStatementParser())

const cases: readonly (readonly [text: string, operation: string, tables: readonly string[]])[] = [
  ['select 1', 'select', []],
  ['select * from notes as n join app.folders f using (id)', 'select', ['app.folders', 'notes']],
  ['table notes', 'select', ['notes']],
  ['values (1)', 'select', []],
  ['insert into notes (a) select a from folders on conflict do nothing', 'insert', ['folders', 'notes']],
  ['update notes set a = (select max(a) from folders)', 'update', ['folders', 'notes']],
  ['delete from notes using folders', 'delete', ['folders', 'notes']],
  ['merge into notes using folders on true when matched then delete', 'merge', ['folders', 'notes']],
  ['with gone as (delete from notes returning *) select count(*) from gone', 'delete', ['notes']],
  ['with n as (select 1) insert into notes select * from n', 'insert', ['notes']],
  ['select (select count(*) from notes) where exists (select from folders)', 'select', ['folders', 'notes']],
  ['/* a comment */ select * from "Notes"', 'select', ['Notes']],
]

for (const [text, operation, tables] of cases) {
  test(`${text}: ${operation} of ${tables.join(', ') || 'no table'}`, () => {
    const facts = statementFacts(text)
    assert.deepEqual([facts.operation, facts.tables], [operation, tables])
    assert.match(facts.statement!, /^[0-9a-f]{16}$/)
  })
}

test('the fingerprint is the same for other values, and another for another statement', () => {
  const [a, b, c] = [`select 1 from notes where a = 'x'`, `select 2 from notes where a='y'`, 'select 1 from folders'].map(
    (text) => statementFacts(text).statement,
  )
  assert.equal(a, b)
  assert.notEqual(a, c)
})

test('what is no SQL is told by its first word and its hash', () => {
  const facts = statementFacts('selekt * from notes')
  assert.deepEqual([facts.operation, facts.tables], ['selekt', undefined])
  assert.match(facts.statement!, /^[0-9a-f]{16}$/)
  assert.equal(statementFacts('  $$$').operation, 'statement')
})

test('the same text is parsed once', () => {
  assert.equal(statementFacts('select 1 from notes'), statementFacts('select 1 from notes'))
})
