// The model of a move within larger bounds: some minutes.

import { describe, test } from 'node:test'
import { soundAtLength, unsoundAtLength } from '../operations/moves/model/cases.ts'
import { assertFound, assertSound } from '../operations/moves/model/verdict.ts'

describe('in every interleaving, within larger bounds:', () => {
  for (const { name, bounds } of soundAtLength) test(name, () => void assertSound(bounds))
})

describe('a counterexample is found when', () => {
  for (const mutant of unsoundAtLength) test(mutant.mutations.join(', and '), () => assertFound(mutant))
})
