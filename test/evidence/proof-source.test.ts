// No sentence without a source: whatever a page states says what was run, and when; and what it names exists.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { allVerbs } from '../../src/cli/all-verbs.ts'
import { EvidenceInvalidError } from '../../src/errors.ts'
import { buildReport } from '../../src/evidence/build-report.ts'
import type { EvidenceFacts } from '../../src/evidence/facts.ts'
import { htmlOf } from '../../src/evidence/html.ts'
import { assertSourced, proofSources } from '../../src/evidence/proof-source.ts'
import type { EvidenceProof, EvidenceReport } from '../../src/evidence/report.ts'
import { about, goodFacts, noFacts, seen } from '../support/evidence-facts.ts'

const pageOf = (report: EvidenceReport): string => htmlOf({ report, text: 'a.b.c', kid: 'k' })

const worlds: Readonly<Record<string, EvidenceFacts>> = {
  'everything seen and good': goodFacts(),
  'nothing present': noFacts('not_present'),
  'nothing to be seen': noFacts('not_seen'),
  'everything bad': goodFacts({
    canaries: seen([{ rule: 'forged', problem: 'was taken' }]),
    roles: seen([{ role: 'partywall_app', canLogIn: true, path: 'application: superuser' }]),
    attacks: seen([{ name: 'read.every-row', door: 'SQL', outcome: 'leaked' }]),
    backups: seen([]),
    moves: seen([]),
  }),
}

for (const [world, facts] of Object.entries(worlds)) {
  test(`with ${world}, each sentence of the page has its source and its time below it, and there is no other sentence`, () => {
    const report = buildReport(facts, about)
    const statements = report.sections.flatMap((section) => section.statements)
    const [, main] = /<main>(.*)<\/main>/s.exec(pageOf(report))!
    const articles = [
      ...main!.matchAll(/<article class="\w+">\n<p>.*?<\/p>\n<p class="proof">(.*?)<\/p>\n(?:<details>.*?<\/details>)?\n?<\/article>/gs),
    ]
    assert.equal(articles.length, statements.length)
    for (const [index, [, proof]] of articles.entries()) {
      const { by, at } = statements[index]!.proof
      assert.match(proof!, new RegExp(`^[\\w ]+ · ${by} · ${at}(?: · |$)`))
    }
    // What is left without the articles are the questions, and nothing that states anything.
    const rest = articles.reduce((text, [article]) => text.replace(article, ''), main!)
    assert.deepEqual(rest.replaceAll(/<section id="\w+">|<\/section>|<h2>.*<\/h2>/g, '').trim(), '')
    assert.equal(rest.match(/<h2>/g)?.length, report.sections.length)
  })
}

test('a sentence that names no source, one that nobody knows, or no time is neither signed nor shown', () => {
  const report = buildReport(goodFacts(), about)
  assertSourced(report)
  for (const bad of [{ by: '' }, { by: 'trust us' }, { by: undefined }, { at: '' }, { at: 'lately' }]) {
    const [first, ...others] = report.sections
    const [statement, ...more] = first!.statements
    const proof = { ...statement!.proof, ...bad } as EvidenceProof
    const changed = { ...report, sections: [{ ...first!, statements: [{ ...statement!, proof }, ...more] }, ...others] }
    assert.throws(() => assertSourced(changed), EvidenceInvalidError, JSON.stringify(bad))
    assert.throws(() => pageOf(changed), /has nothing behind it/, JSON.stringify(bad))
  }
})

test('each source that is a command is one, and each is explained in the guide', async () => {
  const guide = await readFile(new URL('../../docs/guides/evidence.md', import.meta.url), 'utf8')
  for (const source of proofSources) {
    assert.ok(guide.includes(`| \`${source}\` |`), source)
    const [program, ...words] = source.split(' ')
    if (program !== 'partywall') continue
    let found: unknown = allVerbs
    for (const word of words) found = await (found as { verbs?: Record<string, () => Promise<unknown>> }).verbs?.[word]?.()
    assert.ok(found !== undefined, source)
  }
})

test('each source is that of a sentence', () => {
  const used = new Set(
    Object.values(worlds).flatMap((facts) =>
      buildReport(facts, about).sections.flatMap(({ statements }) => statements.map(({ proof }) => proof.by)),
    ),
  )
  assert.deepEqual([...used].sort(), [...proofSources].sort())
})
