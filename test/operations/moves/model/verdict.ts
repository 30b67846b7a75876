// What an exploration is judged by.

import { AssertionError, match } from 'node:assert/strict'
import type { Unsound } from './cases.ts'
import { type Counterexample, type Exploration, explore } from './explore.ts'
import { type Bounds, protocolOf } from './protocol.ts'

/** @throws {AssertionError} with the shortest way to what went wrong. */
export function assertSound(bounds: Bounds): Exploration {
  const explored = explore(protocolOf(bounds))
  const { counterexample, isComplete, states } = explored
  if (counterexample !== undefined) throw new AssertionError({ message: told(counterexample) })
  if (!isComplete) throw new AssertionError({ message: `More than ${states} states: not all of them were seen.` })
  return explored
}

export function assertFound({ mutations, bounds, says }: Unsound): void {
  const { counterexample, states } = explore(protocolOf(bounds, ...mutations))
  if (counterexample === undefined) throw new AssertionError({ message: `Nothing is wrong in ${states} states.` })
  match(counterexample.what, says, told(counterexample))
}

function told({ what, trace }: Counterexample): string {
  return [`${what}:`, ...trace.map((step, at) => `${String(at + 1).padStart(4)}  ${step}`)].join('\n')
}
