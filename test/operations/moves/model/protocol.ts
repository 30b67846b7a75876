// Which protocol is explored, within which bounds: the one that is built, or one with a wall taken away.

import { type SwitchStep, switchSteps } from '../../../../src/core/move.ts'

/** `prepare-other` is of a mutant: an early draft let readers in there before the commit. */
export type ModelStep = SwitchStep | 'prepare-other'

/** Each takes one thing away that the move's safety rests on. */
export type Mutation =
  | 'the gate is looked at before it is locked'
  | 'writes take no lock'
  | 'nobody waits for transactions from before'
  | 'the switch does not wait for the drain'
  | 'the old place is retired after the new one is open'
  | 'the new place is opened before the commit'
  | 'the other place can be read before the commit'
  | 'the switch is committed without its fence'
  | 'a fence that is given up keeps its number'
  | 'reopening keeps the number'
  | 'a gate is reopened without asking the catalog'
  | 'a fence expires after the switch'
  | 'the other place shows what it may lose'
  | 'the slot of the way back is made after the switch'
  | 'the slot of the way back is advanced unasked'
  | 'rows are purged while they are still replicated'
  | 'a purge does not look at the gate'
  | 'opening has no number'
  | 'retiring has no number'
  | 'fences are counted anew by each move'
  | 'closes what nobody has waited for'
  | 'a following move is tended while it is fenced'
  | 'operations do not wait for a switch'
  | 'fences of moves that are over do not expire'

export interface Bounds {
  readonly movers: number
  readonly writers: number
  /** Rows that each writer writes, at most. */
  readonly writesMax: number
  /** Writers after the first read before they write, in a snapshot that is repeatable. */
  readonly hasSnapshots?: boolean
  readonly fencesMax: number
  readonly generationsMax: number
  readonly operations?: number
  /** Moves are completed and cancelled; with 2, another one begins then. */
  readonly movesMax?: number
  /** Moves rest between switches: they are tended. */
  readonly isTended?: boolean
  /** The move is verified before it is switched. */
  readonly isVerified?: boolean
  readonly statesMax?: number
}

export interface Protocol extends Bounds {
  readonly steps: readonly ModelStep[]
  has(mutation: Mutation): boolean
}

export function protocolOf(bounds: Bounds, ...mutations: readonly Mutation[]): Protocol {
  return { ...bounds, steps: stepsWith(mutations), has: (mutation) => mutations.includes(mutation) }
}

function stepsWith(mutations: readonly Mutation[]): readonly ModelStep[] {
  let steps: readonly ModelStep[] = switchSteps
  const moved = (step: ModelStep, before: ModelStep | undefined): void => {
    const rest = steps.filter((each) => each !== step)
    const at = before === undefined ? rest.length : rest.indexOf(before)
    steps = [...rest.slice(0, at), step, ...rest.slice(at)]
  }
  if (mutations.includes('the old place is retired after the new one is open')) moved('retire', undefined)
  if (mutations.includes('the new place is opened before the commit')) moved('open', 'commit')
  if (mutations.includes('the other place can be read before the commit')) moved('prepare-other', 'announce')
  return steps
}
