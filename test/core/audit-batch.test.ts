// A batch says who and what once, and is read back as what was put in.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AuditBatch, type AuditFact, auditEntryDetailsMax, entriesOf } from '../../src/core/audit-batch.ts'
import { InvalidInputError } from '../../src/errors.ts'

const id = '01900000-0000-7000-8000-000000000001'
const by = { actor: { kind: 'user', id: 'ann' }, requestId: 'r', from: '192.0.2.1', route: 'GET /notes/{id}' } as const
const of = { operation: 'select', tables: ['notes'], statement: '0123456789abcdef' }
const at = Date.UTC(2026, 0, 1)

const fact = (more: Partial<AuditFact> = {}): AuditFact => ({ at, by, of, outcome: 'done', ...more })

test('what is put in is read back, whatever of it is there', () => {
  const facts = [
    fact(),
    fact({ at: at + 7, rows: 0 }),
    fact({ rows: 3, keys: 'ffffffffffffffff' }),
    fact({ transaction: 'a.1' }),
    fact({ outcome: 'failed', error: '42P01' }),
    fact({ details: { file: 'a', deep: [1, null] }, by: { actor: { kind: 'system', id: 'x' } } }),
  ]
  const batch = new AuditBatch()
  for (const each of facts) batch.add(each)
  const payload = batch.seal(id)
  assert.ok(payload.startsWith(`{"v":1,"id":"${id}","at":"2026-01-01T00:00:00.000Z",`), 'the database finds both without parsing')
  const expected = facts.map(({ at: when, by: who, of: what, ...rest }, index) => {
    const there = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
    return { name: `9/${index}`, at: new Date(when).toISOString(), ...who, ...what, ...there }
  })
  assert.deepEqual(entriesOf(9n, payload), expected)
})

test('what many entries share is said once', () => {
  const batch = new AuditBatch()
  for (let i = 0; i < 1_000; i++) batch.add(fact({ at: at + i, rows: 1, keys: '0123456789abcdef' }))
  const payload = batch.seal(id)
  assert.equal(payload.split('192.0.2.1').length, 2)
  assert.ok(payload.length < 45_000, `${payload.length}`)
  assert.equal(batch.count, 1_000)
})

test('whatever is in a text, the log is one line of well-formed JSON', () => {
  const batch = new AuditBatch()
  const nasty = 'a"b\\c\nd\0e\uD800f'
  batch.add(fact({ by: { ...by, requestId: nasty, actor: { kind: 'user', id: nasty.repeat(100) } }, error: nasty, details: { nasty } }))
  const payload = batch.seal(id)
  assert.doesNotMatch(payload, /\n|\0/)
  const [entry] = entriesOf(1n, payload)
  assert.equal(entry!.requestId, 'a"b\\c\nd\uFFFDe\uFFFDf')
  assert.equal(entry!.actor.id.length, 300)
  assert.deepEqual(entry!.details, { nasty: 'a"b\\c\nd\uFFFDe\uFFFDf' })
})

test('details past their bound are refused, and nothing of the entry is kept', () => {
  const batch = new AuditBatch()
  assert.throws(() => batch.add(fact({ details: { x: 'x'.repeat(auditEntryDetailsMax) } })), InvalidInputError)
  assert.deepEqual([batch.count, batch.size], [0, 0])
})

test('a clock that is set back tells of no time before the batch’s own', () => {
  const batch = new AuditBatch()
  batch.add(fact())
  batch.add(fact({ at: at - 5_000 }))
  assert.deepEqual(
    entriesOf(1n, batch.seal(id)).map((entry) => entry.at),
    ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'],
  )
})

test('changes that the database recorded come behind, with their row before and after', () => {
  const change = { table: 'notes', key: { id: 1 }, before: { title: 'a' }, after: { title: 'b' } }
  const stored = {
    v: 1,
    id,
    at: '2026-01-01T00:00:00.000Z',
    changes: [{ at: '2026-01-01T00:00:01.000Z', operation: 'update', ...by, ...change }],
  }
  assert.deepEqual(entriesOf(2n, JSON.stringify(stored)), [
    { name: '2/0', at: '2026-01-01T00:00:01.000Z', operation: 'update', tables: ['notes'], outcome: 'done', ...by, change },
  ])
})

test('what is no batch of this version is refused by its position', () => {
  for (const payload of ['', '[]', '{"v":2,"at":"2026-01-01T00:00:00.000Z"}', '{"v":1,"at":"yesterday"}']) {
    assert.throws(() => entriesOf(7n, payload), /Position 7/)
  }
})
