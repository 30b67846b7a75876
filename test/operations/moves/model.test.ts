// The protocol of a move as a model (model/): every interleaving, within small bounds, of movers that are killed, frozen and taken over,
// writers, readers with old routes, replication, time, operations, and whoever reopens a gate. More of it in test/full/move-model.test.ts.

import { ok } from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sound, unsound } from './model/cases.ts'
import { assertFound, assertSound } from './model/verdict.ts'

describe('in every interleaving no write is lost, doubled or overlooked, one place at most is open, and none for ever closed:', () => {
  for (const { name, bounds } of sound) {
    test(name, () => {
      ok(assertSound(bounds).states > 1_000, 'there was something to explore')
    })
  }
})

describe('a counterexample is found when', () => {
  for (const mutant of unsound) test(mutant.mutations.join(', and '), () => assertFound(mutant))
})
