// The boxes of the checklist are ticked by what there is: every attack that one names exists, under that name.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boxes, checklist } from '../../../src/evidence/checklist.ts'
import type { AttackEvidence, EvidenceFacts } from '../../../src/evidence/facts.ts'
import { attackList } from '../../../src/testing/isolation/attack-list.ts'
import { filesProbe } from '../../../src/testing/isolation/files-probe.ts'
import { cacheProbe } from '../../../src/testing/isolation/resource-attacks.ts'
import { about, goodFacts, seen } from '../../support/evidence-facts.ts'
import { sourceFiles } from '../../support/source-files.ts'

/** The boxes that a security team brings along: all of them, in words of ours. */
const boxCount = 20

test('there are as many boxes as on the list, each with a name of its own and a way to be ticked, or a word on what is missing', () => {
  assert.equal(boxes.length, boxCount)
  assert.equal(new Set(boxes.map(({ id }) => id)).size, boxCount)
  for (const { id, attacks, kit, fact, missing } of boxes) assert.ok(attacks ?? kit ?? fact ?? missing, id)
})

test('every attack of the isolation kit that a box names is on the kit’s list', () => {
  const ids = new Set(attackList([cacheProbe, filesProbe]).map(({ id }) => id))
  const named = boxes.flatMap(({ kit }) => kit ?? [])
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter((id) => !ids.has(id)),
    [],
  )
})

test('every attack of the self-check that a box names is one', async () => {
  const text = (await sourceFiles(['src/testing']))
    .filter(({ path }) => path.includes('/wall-attempts'))
    .map((file) => file.text)
    .join()
  const named = boxes.flatMap(({ attacks }) => attacks ?? [])
  assert.ok(named.length > 5)
  assert.deepEqual(
    named.filter((name) => !text.includes(name.includes("'") ? `"${name}"` : `'${name}'`)),
    [],
  )
})

const made = (names: readonly string[], outcome: AttackEvidence['outcome'] = 'refused') =>
  names.map((name) => ({ name, door: 'HTTP', outcome }))

function verdictOf(id: string, attempts: readonly AttackEvidence[]): string {
  const facts = { attacks: { kind: 'seen', value: attempts, at: new Date(0) } } as unknown as EvidenceFacts
  const missing = { kind: 'not_present', why: 'a test' }
  const all = new Proxy(facts, { get: (target, name) => Reflect.get(target, name) ?? missing })
  return checklist(all, new Date(0)).statements.find((each) => each.id === id)!.verdict
}

test('a box is ticked by either that tried all of its own, and by no part of it; a leak anywhere fails it', () => {
  const { id, attacks, kit } = boxes.find((each) => each.id === 'search-scoped')!
  assert.equal(verdictOf(id, made(attacks!)), 'passed')
  assert.equal(verdictOf(id, made(kit!)), 'passed')
  assert.equal(verdictOf(id, made(kit!.slice(1))), 'not_seen')
  assert.equal(verdictOf(id, made(kit!, 'void')), 'not_seen')
  assert.equal(verdictOf(id, [...made(attacks!), ...made([kit![0]!], 'leaked')]), 'failed')
  assert.equal(verdictOf(id, []), 'not_seen')
})

test('without a report of attacks no box of attacks is ticked, however good everything else is', () => {
  const ofAttacks = boxes.filter(
    ({ id, attacks, kit, missing }) => missing === undefined && (attacks ?? kit ?? ['isolated-tests', 'cross-tenant-tests'].includes(id)),
  )
  assert.ok(ofAttacks.length >= 7)
  const verdictsFor = (attacks: EvidenceFacts['attacks']): readonly string[] => {
    const { statements } = checklist(goodFacts({ attacks }), about.now)
    return ofAttacks.map(({ id }) => statements.find((each) => each.id === id)!.verdict)
  }
  const all = (verdict: string): readonly string[] => ofAttacks.map(() => verdict)
  assert.deepEqual(verdictsFor({ kind: 'not_present', why: 'no report was given' }), all('not_present'))
  assert.deepEqual(verdictsFor({ kind: 'not_seen', why: 'it could not be read' }), all('not_seen'))
  // A report that tried nothing, or could try nothing, is as good as none.
  assert.deepEqual(verdictsFor(seen([])), all('not_seen'))
  const every = ofAttacks.flatMap(({ attacks = [], kit = [] }) => [...attacks, ...kit])
  assert.deepEqual(verdictsFor(seen(made([...every, 'read.every-row'], 'void'))), all('not_seen'))
  assert.deepEqual(verdictsFor(seen(made([...every, 'read.every-row']))), all('passed'))
})

test('a part that not every installation has is not present where nothing of it was tried, and ticked where all was', () => {
  const { id, kit } = boxes.find((each) => each.id === 'file-paths')!
  assert.equal(verdictOf(id, []), 'not_present')
  assert.equal(verdictOf(id, made(['cache.same-key'])), 'not_present')
  assert.equal(verdictOf(id, made(kit!.slice(1))), 'not_seen')
  assert.equal(verdictOf(id, made(kit!)), 'passed')
  assert.equal(verdictOf(id, [...made(kit!), ...made([kit![0]!], 'leaked')]), 'failed')
})

test('tests that could not be tried were not run, and those of the self-check are in nobody’s tenants but the application’s', () => {
  assert.equal(verdictOf('cross-tenant-tests', made(['http.item', 'a word'], 'void')), 'not_seen')
  assert.equal(verdictOf('cross-tenant-tests', [...made(['http.item'], 'void'), ...made(['a word'])]), 'passed')
  assert.equal(verdictOf('isolated-tests', made(['find it by searching for its text'])), 'not_seen')
  assert.equal(verdictOf('isolated-tests', made(['read.every-row'])), 'passed')
  assert.equal(verdictOf('isolated-tests', made(['read.every-row'], 'leaked')), 'failed')
})
