// Within which bounds the protocol is explored, and by which each mutant is found. Small bounds are enough for most mistakes: what
// goes wrong needs two of something, hardly ever three.

import type { Bounds, Mutation } from './protocol.ts'

export interface Sound {
  readonly name: string
  readonly bounds: Bounds
}

export interface Unsound {
  readonly mutations: readonly Mutation[]
  readonly bounds: Bounds
  /** What the counterexample says. */
  readonly says: RegExp
}

const one = { movers: 1, writers: 1, writesMax: 1, fencesMax: 1, generationsMax: 2 } as const satisfies Bounds
const thereAndBack = { ...one, fencesMax: 2, generationsMax: 3 } as const satisfies Bounds
const twoMovers = { ...thereAndBack, movers: 2 } as const satisfies Bounds

export const sound: readonly Sound[] = [
  { name: 'a switch, by two movers of which one may be taken for dead', bounds: { ...one, movers: 2 } },
  {
    name: 'a switch with a writer whose snapshot is repeatable, and a suspension',
    bounds: { ...one, writers: 2, hasSnapshots: true, operations: 1 },
  },
  { name: 'a switch of a tenant that is suspended and resumed meanwhile', bounds: { ...one, operations: 4 } },
  { name: 'a move that is tended and verified', bounds: { ...one, movers: 2, isTended: true, isVerified: true } },
  {
    name: 'a move that is cancelled or completed, and a suspension',
    bounds: { ...one, movers: 2, writers: 0, movesMax: 1, operations: 1 },
  },
  { name: 'there and back, by two movers', bounds: { ...twoMovers, writers: 0 } },
]

/** Minutes, not seconds. */
export const soundAtLength: readonly Sound[] = [
  { name: 'there and back, by two movers, while it is written', bounds: twoMovers },
  { name: 'there and back with repeatable snapshots', bounds: { ...thereAndBack, writers: 2, hasSnapshots: true } },
  { name: 'two moves, one after the other', bounds: { ...one, movers: 2, fencesMax: 3, movesMax: 2 } },
  { name: 'there and back, tended', bounds: { ...twoMovers, isTended: true } },
  { name: 'two writers, two movers, a fence that is tried again', bounds: { ...one, movers: 2, writers: 2, fencesMax: 2 } },
]

const lost = /an acknowledged write is lost/
const stale = /does not see a write that was acknowledged before/
const twoOpen = /the gate of \d is open, and \d serves the tenant/

export const unsound: readonly Unsound[] = [
  { mutations: ['the gate is looked at before it is locked'], bounds: one, says: lost },
  { mutations: ['writes take no lock'], bounds: one, says: lost },
  { mutations: ['nobody waits for transactions from before'], bounds: { ...one, operations: 3 }, says: lost },
  { mutations: ['closes what nobody has waited for'], bounds: { ...one, operations: 4 }, says: lost },
  { mutations: ['the switch does not wait for the drain'], bounds: one, says: lost },
  { mutations: ['the old place is retired after the new one is open'], bounds: one, says: stale },
  { mutations: ['the new place is opened before the commit'], bounds: one, says: twoOpen },
  { mutations: ['the other place can be read before the commit'], bounds: thereAndBack, says: stale },
  { mutations: ['the switch is committed without its fence'], bounds: one, says: /a fence was committed that had been given up/ },
  {
    mutations: ['a fence that is given up keeps its number'],
    bounds: { ...one, movers: 2 },
    says: /closed by a fence that had been given up/,
  },
  { mutations: ['reopening keeps the number'], bounds: { ...one, movers: 2 }, says: /closed by a fence that had been given up/ },
  { mutations: ['a gate is reopened without asking the catalog'], bounds: one, says: twoOpen },
  { mutations: ['a fence expires after the switch'], bounds: one, says: twoOpen },
  { mutations: ['the other place shows what it may lose'], bounds: one, says: lost },
  { mutations: ['the slot of the way back is made after the switch'], bounds: thereAndBack, says: lost },
  { mutations: ['rows are purged while they are still replicated'], bounds: { ...one, movesMax: 1 }, says: lost },
  { mutations: ['fences are counted anew by each move'], bounds: { ...one, fencesMax: 2, movesMax: 2 }, says: twoOpen },
  {
    mutations: ['fences of moves that are over do not expire'],
    bounds: { ...one, movers: 2, writers: 0, movesMax: 1 },
    says: /the tenant is not served any more, whatever happens/,
  },
  { mutations: ['a following move is tended while it is fenced'], bounds: { ...one, movers: 2, isTended: true }, says: twoOpen },
  { mutations: ['operations do not wait for a switch'], bounds: { ...one, operations: 2 }, says: /./ },
]

export const unsoundAtLength: readonly Unsound[] = [
  { mutations: ['opening has no number'], bounds: { ...twoMovers, writers: 0 }, says: twoOpen },
  {
    mutations: ['retiring has no number'],
    bounds: { ...twoMovers, writers: 0 },
    says: /the tenant is not served any more, whatever happens/,
  },
  {
    mutations: ['a purge does not look at the gate'],
    bounds: { ...twoMovers, fencesMax: 4, movesMax: 2 },
    says: /the rows of the place that serves were purged/,
  },
  { mutations: ['the slot of the way back is advanced unasked'], bounds: { ...twoMovers, isTended: true }, says: lost },
]
