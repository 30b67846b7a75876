import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DoctorEvent } from '../../src/core/doctor-event.ts'
import { githubAnnotations } from '../../src/doctor/github-annotations.ts'
import { collectReport } from '../../src/doctor/report.ts'
import { reportLines } from '../../src/doctor/report-lines.ts'
import { checkFacts, finding, lookThatFound } from '../support/doctor-findings.ts'

const now = new Date('2026-11-23T12:00:00Z')
const gap = {
  kind: 'unseen' as const,
  unseen: {
    kind: 'gap' as const,
    at: { server: 'pg-2', database: 'eu' },
    what: 'the database eu on the server pg-2',
    why: 'It is down: 100%,\nreally.',
  },
}
const limit = { ...gap, unseen: { ...gap.unseen, kind: 'limit' as const, what: 'settings that PostgreSQL shows to few' } }

describe('the verdict is', () => {
  test('sound when all was looked at and nothing found', async () => {
    const report = await collectReport(lookThatFound([], [limit]), { silences: [], now })
    assert.equal(report.verdict, 'sound')
    assert.deepEqual(report.looked, { servers: 1, databases: 1 })
  })

  test('found from the level on that was asked for, and not below', async () => {
    const warning = [finding({ level: 'warning' })]
    assert.equal((await collectReport(lookThatFound(warning), { silences: [], now })).verdict, 'sound')
    assert.equal((await collectReport(lookThatFound(warning), { silences: [], now, level: 'warning' })).verdict, 'found')
    assert.equal((await collectReport(lookThatFound(warning), { silences: [], now, level: 'note' })).verdict, 'found')
  })

  test('none when something was not looked at, unless something was found', async () => {
    assert.equal((await collectReport(lookThatFound([], [gap]), { silences: [], now })).verdict, 'incomplete')
    assert.equal((await collectReport(lookThatFound([finding()], [gap]), { silences: [], now })).verdict, 'found')
  })
})

test('findings beyond what is kept are counted, and judged', async () => {
  const many = Array.from({ length: 5 }, (_, at) => finding({ object: `app.t${at}`, level: at === 4 ? 'error' : 'note' }))
  const report = await collectReport(lookThatFound(many), { silences: [], now, keptMax: 2 })
  assert.deepEqual([report.findings.length, report.left, report.counts, report.verdict], [2, 3, { error: 1, warning: 0, note: 4 }, 'found'])
})

test('in words: the worst first, the SQL, the key, what was silenced, what was not seen, and the verdict', async () => {
  const silences = [{ key: 'open-door:main/main:app.old', reason: 'Gone in March', expires: '2027-03-31' }]
  const findings = [
    finding({ level: 'note', object: 'app.b', fix: null }),
    finding({ fix: 'revoke a;\n  revoke b;' }),
    finding({ object: 'app.old' }),
  ]
  const lines = reportLines(await collectReport(lookThatFound(findings, [gap, limit]), { silences, now }))
  assert.deepEqual(lines.slice(0, 12), [
    'error: open-door: main/main: app.notes',
    '  The door is open.',
    '  Gains: Everything behind it.',
    '  Mends it (as the owner, safe): revoke a; revoke b;',
    '  Key: open-door:main/main:app.notes',
    'note: open-door: main/main: app.b',
    '  The door is open.',
    '  Gains: Everything behind it.',
    '  A person must decide: see the page of the check.',
    '  Key: open-door:main/main:app.b',
    'silenced until 2027-03-31: open-door:main/main:app.old',
    '  Gone in March',
  ])
  const text = lines.join('\n')
  assert.match(text, /Not looked at:\n {2}the database eu on the server pg-2: It is down/)
  assert.match(text, /It cannot see:\n {2}pg-2\/eu: settings that PostgreSQL shows to few/)
  assert.match(text, /PgBouncer/)
  assert.deepEqual(lines.slice(-2), ['1 check, 1 server, 1 database: 1 error, 0 warnings, 1 note, 1 silenced.', 'Not sound: see above.'])
})

test('the day up to which a check knows the world is said', async () => {
  async function* dated(): AsyncGenerator<DoctorEvent, void> {
    yield { kind: 'begin', checks: [checkFacts, { ...checkFacts, stem: 'server-flaws', asOf: '2026-11-12' }] }
  }
  const lines = reportLines(await collectReport(dated(), { silences: [], now }))
  assert.deepEqual(
    lines.filter((line) => line.includes('2026')),
    ['  What became known after 2026-11-12: so old is the list of server-flaws.'],
  )
})

describe('annotations', () => {
  test('are one line each, whatever a name has in it', () => {
    const object = 'app."100%, a:b\r\n::stop-commands::x"'
    const [line, other] = githubAnnotations({
      findings: [finding({ object, problem: 'Bad: 50%\nreally, yes.', fix: null })],
      unseen: [gap.unseen],
    })
    assert.equal(
      line,
      '::error title=open-door%3A main/main%3A app."100%25%2C a%3Ab%0D%0A%3A%3Astop-commands%3A%3Ax"::Bad: 50%25%0Areally, yes.%0AGains: Everything behind it.%0AKey: open-door:main/main:app."100%25, a:b%0D%0A::stop-commands::x"',
    )
    assert.equal(
      other,
      '::warning title=partywall doctor%3A not looked at::the database eu on the server pg-2: It is down: 100%25,%0Areally.',
    )
  })

  test('have GitHub’s words for the levels', () => {
    const lines = githubAnnotations({ findings: [finding({ level: 'warning' }), finding({ level: 'note' })], unseen: [limit.unseen] })
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      ['::warning', '::notice'],
    )
  })
})
