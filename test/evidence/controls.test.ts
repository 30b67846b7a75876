// The mapping to controls: each number is one of its framework, is used, and is explained to who reads the guide.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { buildReport } from '../../src/evidence/build-report.ts'
import { controlMeanings } from '../../src/evidence/controls.ts'
import { about, goodFacts } from '../support/evidence-facts.ts'

// AICPA Trust Services Criteria, 2017 (2022 points of focus): how many criteria each series has. ISO/IEC 27001:2022: controls by theme.
const criteria: Readonly<Record<string, number>> = { CC1: 5, CC2: 3, CC3: 4, CC4: 2, CC5: 3, CC6: 8, CC7: 5, CC8: 1, CC9: 2, A1: 3, C1: 2 }
const annexes: Readonly<Record<string, number>> = { 5: 37, 6: 8, 7: 14, 8: 34 }

test('every control is one of its framework', () => {
  for (const control of Object.keys(controlMeanings)) {
    const [, series, criterion] = /^SOC 2 ([A-Z]+\d)\.(\d)$/.exec(control) ?? []
    const [, theme, number] = /^ISO 27001:2022 A\.([5-8])\.(\d+)$/.exec(control) ?? []
    const last = series === undefined ? annexes[theme!] : criteria[series]
    assert.ok(Number(criterion ?? number) >= 1 && Number(criterion ?? number) <= last!, control)
  }
})

test('what is said of a control in the code is what the guide says, and no control is there that no sentence speaks to', async () => {
  const guide = await readFile(new URL('../../docs/guides/evidence.md', import.meta.url), 'utf8')
  const shown = [...guide.matchAll(/^\| (SOC 2 \S+|ISO 27001:2022 \S+) \| (.*?) \|/gm)].map(([, control, meaning]) => [control, meaning])
  assert.deepEqual(shown, Object.entries(controlMeanings))
  const { sections } = buildReport(goodFacts(), about)
  const spoken = new Set(sections.flatMap(({ statements }) => statements.flatMap(({ controls }) => controls)))
  assert.deepEqual([...spoken].sort(), Object.keys(controlMeanings).sort())
})

test('each sentence speaks to a control, and to none twice', () => {
  for (const { statements } of buildReport(goodFacts(), about).sections) {
    for (const { id, controls } of statements) {
      assert.ok(controls.length > 0, id)
      assert.equal(new Set(controls).size, controls.length, id)
    }
  }
})

test('a number is not put to what sounds like it: rows in a database are no network, and neighbours no redundancy', () => {
  const { sections } = buildReport(goodFacts(), about)
  const all: readonly string[] = sections.flatMap(({ statements }) => statements.flatMap(({ controls }) => controls))
  for (const control of ['ISO 27001:2022 A.8.22', 'ISO 27001:2022 A.8.14']) assert.ok(!all.includes(control), control)
})
