// The suite of the wall runs in every placement, and no part of it is left out by forgetting.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ofOnePlacement, otherPlacements, placementTests, quickPlacements } from '../scripts/placement-tests.mjs'
import { isolations } from '../src/core/placement.ts'
import { sourceFiles } from './support/source-files.ts'

const files = (await sourceFiles(['test'])).filter(({ path }) => path.endsWith('.test.ts'))
const listed = placementTests(fileURLToPath(new URL('..', import.meta.url)))
const usesStage = /support\/(cast|wired|documents|things)\.ts'/

describe('the suite of the wall', () => {
  test('has every file that uses the stage, unless the file says which placement it is about, and why', () => {
    const leftOut = files.filter(({ path, text }) => usesStage.test(text) && !listed.includes(path) && !ofOnePlacement.has(path))
    assert.deepEqual(
      leftOut.map(({ path }) => path),
      [],
    )
  })

  test('names only files that are there, each with its reason', () => {
    const paths = files.map(({ path }) => path)
    assert.deepEqual(
      [...ofOnePlacement.keys()].filter((path) => !paths.includes(path)),
      [],
    )
    for (const reason of ofOnePlacement.values()) assert.match(reason, /^[A-Z].{20,}\.$/)
    assert.ok(listed.length >= 20, String(listed.length))
  })

  test('runs in every placement that there is', () => {
    assert.deepEqual(['pooled', ...otherPlacements], isolations)
    // A placement inside a database that is shared, and one in its own: each way of binding is in the quick run.
    assert.deepEqual(quickPlacements, ['schema', 'server'])
  })

  test('never asks a table by its schema’s name, which is another in every placement', () => {
    const qualified = files.filter(({ path, text }) => listed.includes(path) && /\bapp\.(notes|folders|countries)\b/.test(text))
    assert.deepEqual(
      qualified.map(({ path }) => path),
      [],
    )
  })
})
