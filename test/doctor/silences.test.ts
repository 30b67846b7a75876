import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { collectReport } from '../../src/doctor/report.ts'
import { isDay, parseSilences, writeSilences } from '../../src/doctor/silences.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { finding, lookThatFound } from '../support/doctor-findings.ts'

const now = new Date('2026-11-23T12:00:00Z')
const known = { key: 'open-door:main/main:app.notes', reason: 'Ticket 12', expires: '2026-11-23' }

describe('a baseline', () => {
  test('is read as it is written, in the order of its keys', () => {
    const text = writeSilences([{ ...known, key: 'z:main:a' }, known])
    assert.deepEqual(parseSilences(text, 'partywall.doctor.json'), [known, { ...known, key: 'z:main:a' }])
    assert.deepEqual(parseSilences('{ "$schema": "x", "silences": [] }', 'x'), [])
  })

  for (const [name, text, says] of [
    ['is no JSON', '{', /b\.json is not JSON/],
    ['is a list', '[]', /must be an object with silences/],
    ['has no list', '{ "silences": {} }', /must be an object with silences/],
    ['has a key that nobody knows', '{ "silences": [], "all": true }', /there is no "all"/],
    ['has an entry without a key', '{ "silences": [{ "reason": "x" }] }', /silences\[0\] has no key/],
    ['has an entry with another key', '{ "silences": [{ "key": "a", "untill": "x" }] }', /there is no "untill"/],
    ['has a reason that is no text', '{ "silences": [{ "key": "a", "reason": 1 }] }', /reason must be a text/],
    ['has an entry that is a text', '{ "silences": ["a"] }', /silences\[0\] must be an object/],
  ] as const) {
    test(`that ${name} is refused, with what is wrong`, () => {
      assert.throws(
        () => parseSilences(text, 'b.json'),
        (error) => error instanceof ConfigurationError && says.test(error.message),
      )
    })
  }

  test('names days that there are', () => {
    assert.deepEqual(['2026-02-28', '2026-02-29', '2026-2-28', 'tomorrow', '2026-11-23T00:00:00Z'].map(isDay), [
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('a silence', () => {
  test('silences its finding until the end of its day, and no other one', async () => {
    const report = await collectReport(lookThatFound([finding(), finding({ object: 'app.folders' })]), { silences: [known], now })
    assert.deepEqual(
      report.findings.map(({ object }) => object),
      ['app.folders'],
    )
    assert.deepEqual(
      report.silenced.map(({ finding: { object }, silence }) => [object, silence]),
      [['app.notes', known]],
    )
    assert.deepEqual(report.counts, { error: 1, warning: 0, note: 0 })
  })

  for (const [name, silence, says] of [
    ['is over', { ...known, expires: '2026-11-22' }, /ended on 2026-11-22. Its reason was: Ticket 12/],
    ['gives no reason', { ...known, reason: ' ' }, /gives no reason/],
    ['has no reason at all', { key: known.key, expires: '2027-01-01' }, /gives no reason/],
    ['names no day', { key: known.key, reason: 'Ticket 12' }, /names no day/],
    ['names a day that there is not', { ...known, expires: 'never' }, /names no day/],
  ] as const) {
    test(`that ${name} silences nothing, and is reported`, async () => {
      const report = await collectReport(lookThatFound([finding()]), { silences: [silence], now })
      assert.deepEqual(report.silenced, [])
      assert.deepEqual(
        report.findings.map(({ check, level }) => [check, level]),
        [
          ['open-door', 'error'],
          ['silence', 'warning'],
        ],
      )
      assert.match(report.findings[1]!.problem, says)
    })
  }

  test('of a finding that is gone is noted', async () => {
    const report = await collectReport(lookThatFound([]), { silences: [known], now, level: 'note' })
    assert.deepEqual(
      report.findings.map(({ check, level, key }) => [check, level, key]),
      [['silence', 'note', `silence:${known.key}`]],
    )
    assert.equal(report.verdict, 'found')
  })

  test('of a check that could not be made is left alone', async () => {
    const failed = finding({ check: 'check-failed', object: 'open-door', key: 'check-failed:main/main:open-door' })
    const report = await collectReport(lookThatFound([failed]), { silences: [known], now })
    assert.deepEqual(
      report.findings.map(({ check }) => check),
      ['check-failed'],
    )
  })

  test('of a place or a check that was not looked at is left alone', async () => {
    const silences = [
      { ...known, key: 'open-door:pg-2/tenants:app.notes' },
      { ...known, key: 'other-check:main/main:app.notes' },
    ]
    const report = await collectReport(lookThatFound([]), { silences, now, level: 'note' })
    assert.deepEqual([report.findings, report.verdict], [[], 'sound'])
  })
})
