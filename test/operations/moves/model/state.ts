// The world of the model: the catalog's row of one move, the tenant's gates in its two places, the rows and what replication has still
// to bring, and everybody who acts: movers, writers, whoever notices an overdue fence, operations. Small, so that it can be explored.

import type { MoveState } from '../../../../src/core/move.ts'
import type { GateState } from '../../../../src/core/placement-adapter.ts'
import type { ModelStep } from './protocol.ts'

/** 0: where the move began. */
export type Side = 0 | 1

export interface Gate {
  state: GateState
  fence: number
  /** The fence whose deadline holds here; 0 for none. */
  until: number
  resting: GateState | null
  /** What capabilities say: a copy of the state, but between announce and close. */
  capabilities: GateState
  /** The fence at whose deadline they expire; 0 for none. */
  capabilitiesUntil: number
  /** Since a moment that is written down (moving_since), every write can be waited for. */
  isKnown: boolean
  /** The last fence that was given up here: it is to do nothing any more. */
  givenUp: number
}

/** Between its statements a mover stands somewhere, with what it believes. */
export type MoverAt =
  | 'idle'
  | 'follow'
  | 'tend'
  | 'tend-give-up'
  | 'tend-start'
  | 'tend-advance'
  | 'older-start'
  | 'older-since'
  | 'older-wait'
  | ModelStep
  | 'give-up'
  | 'reopen'
  | 'shut-other'
  | 'note-turning'
  | 'turn-retire'
  | 'turn-unsubscribe'
  | 'turn-subscribe'
  | 'settle-slot'
  | 'settle-start'
  | 'note-following'
  | 'finish-replication'
  | 'finish-gate'
  | 'purge'
  | 'note-over'

export interface Mover {
  at: MoverAt
  serving: Side
  generation: number
  fence: number
  /** Read of the log before a slot is advanced. */
  log: number
  resting: GateState
  /** The switch is only a verification: given up after the drain. */
  isVerifying: boolean
  /** It has waited for transactions from before the moment that the gate knows still. */
  hasWaited: boolean
}

export interface Writer {
  /** `begun`: a repeatable snapshot is taken, nothing written. `checked`: in the mutant that looks before it locks. */
  at: 'idle' | 'begun' | 'checked' | 'wrote'
  place: Side
  /** What the capability said in the snapshot. */
  sees: GateState
  isLocked: boolean
  /** The gate's row has changed since the transaction began. */
  isOld: boolean
  /** The transaction began before the moment since which every write can be waited for. */
  isOlder: boolean
  written: number
}

/** Replication of one generation: from `publisher(generation)` to the other place. */
export interface Slot {
  isThere: boolean
  isSubscribed: boolean
  /** Entries that came since the slot was made, and how many of them the other place has. */
  queue: readonly number[]
  taken: number
}

export interface State {
  move: MoveState
  serving: Side
  generation: number
  fence: number
  /** Deadlines of fences up to this one have passed. */
  passed: number
  /** The last fence that the catalog gave up. */
  givenUp: number
  owner: number
  resting: GateState
  movesBegun: number
  isSuspended: boolean
  operation: 'none' | 'suspend' | 'resume'
  operationsLeft: number
  /** The number that whoever notices an overdue fence has been told; -1 for none. */
  told: number
  /** Places in which the tenant was served at some time: somebody may believe so still. */
  known: readonly [boolean, boolean]
  gates: [Gate, Gate]
  /** Bits of the writes that are there. */
  rows: [number, number]
  /** Rows that a crash of the place would take away again (a subscription with synchronous_commit off), as entries. */
  volatile: [readonly number[], readonly number[]]
  /** Of each place and generation, the last fence whose marker is there. */
  markers: [readonly number[], readonly number[]]
  slots: readonly Slot[]
  acknowledged: number
  movers: Mover[]
  writers: Writer[]
  /** What must never happen, and did in the step that led here. */
  violation: string | undefined
}

export const generations = 4
/** In the queues: a write's number, a marker, the deletion of everything. */
export const markerFrom = 100
export const deletion = 99

export function publisher(generation: number): Side {
  return generation % 2 === 1 ? 0 : 1
}

export function otherOf(side: Side): Side {
  return side === 0 ? 1 : 0
}

const idleMover: Mover = {
  at: 'idle',
  serving: 0,
  generation: 1,
  fence: 0,
  log: 0,
  resting: 'open',
  isVerifying: false,
  hasWaited: false,
}
const idleWriter: Writer = { at: 'idle', place: 0, sees: 'open', isLocked: false, isOld: false, isOlder: false, written: 0 }
const noSlot: Slot = { isThere: false, isSubscribed: false, queue: [], taken: 0 }

export interface Beginning {
  readonly movers: number
  readonly writers: number
  readonly operations: number
  /** The slot of the second generation is there. */
  readonly hasWayBack: boolean
}

/** A move that follows, at its first generation, ready for a switch. */
export function firstState({ movers, writers, operations, hasWayBack }: Beginning): State {
  return {
    move: 'following',
    serving: 0,
    generation: 1,
    fence: 0,
    passed: 0,
    givenUp: 0,
    owner: -1,
    resting: 'open',
    movesBegun: 1,
    isSuspended: false,
    operation: 'none',
    operationsLeft: operations,
    told: -1,
    known: [true, false],
    gates: [
      { state: 'moving', fence: 0, until: 0, resting: null, capabilities: 'moving', capabilitiesUntil: 0, isKnown: false, givenUp: 0 },
      { state: 'moved', fence: 0, until: 0, resting: null, capabilities: 'moved', capabilitiesUntil: 0, isKnown: false, givenUp: 0 },
    ],
    rows: [0, 0],
    volatile: [[], []],
    markers: [Array.from({ length: generations }, () => 0), Array.from({ length: generations }, () => 0)],
    slots: [noSlot, { ...noSlot, isThere: true, isSubscribed: true }, { ...noSlot, isThere: hasWayBack }, noSlot, noSlot],
    acknowledged: 0,
    movers: Array.from({ length: movers }, () => idleMover),
    writers: Array.from({ length: writers }, () => idleWriter),
    violation: undefined,
  }
}

export function idle(mover: Mover): Mover {
  return mover.at === 'idle' ? mover : idleMover
}

/** A copy whose own fields, gates, movers and writers may be changed. */
export function copyOf(state: State): State {
  const [first, second] = state.gates
  return {
    ...state,
    gates: [{ ...first }, { ...second }],
    rows: [...state.rows],
    volatile: [...state.volatile],
    markers: [...state.markers],
    movers: [...state.movers],
    writers: [...state.writers],
  }
}

const moveStates: readonly MoveState[] = [
  'planned',
  'copying',
  'following',
  'fencing',
  'switched',
  'turning',
  'finishing',
  'done',
  'cancelling',
  'cancelled',
]
const gateStates: readonly GateState[] = ['open', 'read_only', 'moving', 'fenced', 'moved', 'suspended']
const moveCode = codes(moveStates)
const gateCode = codes(gateStates)
const moverCode = new Map<string, number>()

function codes(words: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(words.map((word, at) => [word, at]))
}

function codeOfMover(at: string): number {
  let code = moverCode.get(at)
  if (code === undefined) {
    code = moverCode.size
    moverCode.set(at, code)
  }
  return code
}

/** Equal for equal states, and short. */
export function keyOf(s: State): string {
  const units: number[] = [
    moveCode[s.move]! | (s.serving << 4) | (s.generation << 5) | (s.fence << 8) | ((s.owner + 1) << 12),
    s.passed | (s.givenUp << 4) | (gateCode[s.resting]! << 8) | (s.movesBegun << 11) | ((s.isSuspended ? 1 : 0) << 14),
    (s.operation === 'none' ? 0 : s.operation === 'suspend' ? 1 : 2) |
      (s.operationsLeft << 2) |
      ((s.told + 1) << 5) |
      ((s.known[1] ? 1 : 0) << 10) |
      ((s.violation === undefined ? 0 : 1) << 11),
    s.rows[0] | (s.rows[1] << 8),
    s.acknowledged,
  ]
  for (const gate of s.gates) {
    units.push(
      gateCode[gate.state]! | (gate.fence << 3) | (gate.until << 7) | ((gate.resting === null ? 7 : gateCode[gate.resting]!) << 11),
      gateCode[gate.capabilities]! | (gate.capabilitiesUntil << 3) | (gate.givenUp << 7) | ((gate.isKnown ? 1 : 0) << 11),
    )
  }
  for (const mover of s.movers) {
    units.push(
      codeOfMover(mover.at) | (mover.serving << 6) | (mover.generation << 7) | (mover.fence << 10) | ((mover.isVerifying ? 1 : 0) << 14),
      mover.log | (gateCode[mover.resting]! << 5) | ((mover.hasWaited ? 1 : 0) << 8),
    )
  }
  for (const { at, place, sees, isLocked, isOld, isOlder, written } of s.writers) {
    units.push(
      (at === 'idle' ? 0 : at === 'begun' ? 1 : at === 'checked' ? 2 : 3) |
        (place << 2) |
        (gateCode[sees]! << 3) |
        ((isLocked ? 1 : 0) << 6) |
        ((isOld ? 1 : 0) << 7) |
        ((isOlder ? 1 : 0) << 8) |
        (written << 9),
    )
  }
  for (const side of [0, 1] as const) units.push(...s.markers[side], ...s.volatile[side], 60_000)
  for (const { isThere, isSubscribed, queue, taken } of s.slots) {
    units.push((isThere ? 1 : 0) | (isSubscribed ? 2 : 0) | (taken << 2), ...queue, 60_000)
  }
  return String.fromCharCode(...units)
}
