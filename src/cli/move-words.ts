// A move in words: what its state means, what can be done next, and what to do about a problem.

import { isOver, type Move, type MoveProblem, type MoveVerb } from '../core/move.ts'
import type { Placement } from '../core/placement.ts'

type Standing = Pick<Move, 'state' | 'serving' | 'options' | 'source' | 'target' | 'wish' | 'problem' | 'notes'>

/** `pooled on main`, `server on pg-7`. */
export function placeText({ isolation, server }: Pick<Placement, 'isolation' | 'server'>): string {
  return `${isolation} on ${server}`
}

/** Where the tenant is served now, in a word: it is what most people want to know first. */
export function servedText({ serving, source, target }: Pick<Move, 'serving' | 'source' | 'target'>): string {
  return `served at the ${serving}: ${placeText(serving === 'source' ? source : target)}`
}

/** What the state means for the tenant, in a sentence or two. */
export function meaningOf({ state, serving, options, wish }: Standing): string {
  switch (state) {
    case 'planned':
      return 'It has begun: the target and the replication to it are being made. The tenant reads and writes at the source as ever.'
    case 'copying':
      return 'Its rows are being copied to the target. The tenant reads and writes at the source as ever.'
    case 'following':
      return serving === 'source' ? followingSource(options, wish) : followingTarget(options, wish)
    case 'fencing':
      return 'The tenant’s writes wait for a moment; its reads go on. This ends by itself: with the switch, or at the deadline of the fence.'
    case 'switched':
      return `The switch is committed: the ${serving} serves. Its gate is being opened, and from here it only goes forward.`
    case 'turning':
      return `The ${serving} serves. Replication is being turned round, so that the way back stays open.`
    case 'finishing':
      return 'The target serves. Replication, and what was left at the source, are being removed.'
    case 'done':
      return 'It is over: the target serves, and nothing is left at the source.'
    case 'cancelling':
      return 'The source serves. Replication, and what was copied to the target, are being removed.'
    case 'cancelled':
      return 'It is over: the source serves, and nothing is left at the target.'
  }
}

function followingSource({ auto }: Standing['options'], wish: MoveVerb | undefined): string {
  const copied = 'Its rows are copied, and replication keeps the target in step. The tenant reads and writes at the source as ever.'
  if (wish !== undefined) return `${copied} It was asked to ${wish}.`
  return auto === true ? `${copied} It switches by itself.` : `${copied} It waits to be switched.`
}

function followingTarget({ auto }: Standing['options'], wish: MoveVerb | undefined): string {
  const switched = 'The target serves, and replication keeps the source in step: nothing that is written now would be lost on the way back.'
  if (wish !== undefined) return `${switched} It was asked to ${wish}.`
  return auto === true ? `${switched} It completes by itself after its soak.` : `${switched} It waits to be completed, or reversed.`
}

const verbTexts: Readonly<Record<MoveVerb, string>> = {
  verify: 'compares both places, row by row; its writes pause for some milliseconds',
  switch: 'lets the target serve; its writes pause for some milliseconds',
  reverse: 'lets the source serve again; nothing that was written since is lost',
  complete: 'removes what is left at the source; from then on the way back is a new move',
  cancel: 'removes what was copied; the tenant stays where it is',
}

/** Commands that would be taken now, each with what it does. */
export function nextTexts(next: readonly MoveVerb[], tenant: string): readonly (readonly [command: string, does: string])[] {
  return next.map((verb) => [`partywall move ${verb} ${tenant}`, verbTexts[verb]])
}

/** What to do about a problem, beside what its message says. */
export function remedyOf(problem: MoveProblem, { state, serving }: Pick<Move, 'state' | 'serving'>): string {
  switch (problem.code) {
    case 'PW_MOVE_DIFFERS':
      return serving === 'source'
        ? 'The tenant is served at the source, whose rows are the true ones. --json shows keys of the rows. Find out who wrote at the target; then cancel the move and start another.'
        : 'The tenant is served at the target. --json shows keys of the rows. Look at them before anything is removed: reverse while the source has the true ones, and complete only when you know that the target has.'
    case 'PW_MOVE_FENCE_EXPIRED':
      return 'Nothing is lost: the tenant writes on where it was. Switch again; if it comes back, look for long transactions of the tenant, or give the move a longer --fence.'
    case 'PW_DATABASE_UNAVAILABLE':
      return `Nothing is lost. When the server answers again, ${goesOn(state)}.`
    default:
      return `Mend what it names. Then ${goesOn(state)}.`
  }
}

function goesOn(state: Move['state']): string {
  if (isOver(state)) return 'start another'
  return state === 'following'
    ? 'ask again for what was asked'
    : 'it goes on by itself, where partywall operation watch runs, or with partywall move resume'
}

/** `1.2 MB`: as many digits as mean something. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const at = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** at
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`
}

/** `31 ms`, as it was measured; a pause is of interest to the millisecond. */
export function pauseText(pauseMs: number): string {
  return pauseMs < 1_000 ? `${Math.round(pauseMs)} ms` : `${(pauseMs / 1_000).toFixed(1)} s`
}

/** 1234567 as `1,234,567`. */
export function countText(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
