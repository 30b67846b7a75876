// The functions of sql/wall/0012-moves.sql, 0001-wall.sql and sql/catalog/0008-moves.sql, each as one atomic action. They change the
// state they are given, which is a copy. `undefined` is for a statement that waits for a lock: nothing happens yet.

import { isOver } from '../../../../src/core/move.ts'
import type { GateState } from '../../../../src/core/placement-adapter.ts'
import type { Protocol } from './protocol.ts'
import { deletion, markerFrom, publisher, type Side, type State } from './state.ts'

/** A shared lock on the gate's row makes whoever wants to change the row wait. */
export function isLocked(s: State, side: Side): boolean {
  return s.writers.some((writer) => writer.isLocked && writer.place === side)
}

/** The gate's row is another one: a repeatable snapshot from before cannot lock it any more. */
function enter(s: State, side: Side, state: GateState): void {
  const gate = s.gates[side]
  gate.state = state
  gate.capabilities = state
  gate.capabilitiesUntil = state === 'fenced' ? gate.until : 0
  s.writers = s.writers.map((writer) =>
    writer.at !== 'idle' && writer.place === side && !writer.isOld ? { ...writer, isOld: true } : writer,
  )
}

/** The gate is, or was, plainly open: nobody knows who writes here. */
function forget(s: State, side: Side): void {
  s.gates[side].isKnown = false
  s.movers = s.movers.map((mover) => (mover.hasWaited && mover.serving === side ? { ...mover, hasWaited: false } : mover))
}

/** What is committed at a place reaches every slot there. Rows that came by replication do not (origin). */
export function log(s: State, side: Side, entry: number): void {
  s.slots = s.slots.map((slot, generation) =>
    slot.isThere && publisher(generation) === side ? { ...slot, queue: [...slot.queue, entry] } : slot,
  )
}

export function startMoving(s: State, side: Side): true | undefined {
  if (s.gates[side].state !== 'open') return true
  if (isLocked(s, side)) return undefined
  enter(s, side, 'moving')
  forget(s, side)
  return true
}

/** In a transaction of its own after startMoving. @returns whether there is such a moment. */
export function movingSince(s: State, side: Side): boolean {
  const gate = s.gates[side]
  if (gate.state === 'open') return false
  if (gate.isKnown) return true
  gate.isKnown = true
  s.writers = s.writers.map((writer) =>
    writer.at !== 'idle' && writer.place === side ? { ...writer, isOld: true, isOlder: true } : writer,
  )
  return true
}

export function stopMoving(s: State, side: Side): true | undefined {
  if (s.gates[side].state !== 'moving') return true
  if (isLocked(s, side)) return undefined
  enter(s, side, 'open')
  forget(s, side)
  return true
}

export function announceFence(s: State, side: Side, fence: number): void {
  const gate = s.gates[side]
  if (gate.fence < fence && gate.capabilities === 'moving') gate.capabilities = 'fenced'
}

/** @returns the state to go back to; null when the fence comes too late. */
export function closeGate(
  s: State,
  side: Side,
  { fence, generation, hasWaited }: { fence: number; generation: number; hasWaited: boolean },
  protocol: Protocol,
): GateState | null | undefined {
  if (isLocked(s, side)) return undefined
  const gate = s.gates[side]
  if (gate.fence >= fence || gate.state === 'open' || gate.state === 'moved') return null
  // Somebody may have written while it was open, and have no lock that could be waited for.
  if (!hasWaited && !protocol.has('closes what nobody has waited for')) return null
  if (fence <= gate.givenUp) s.violation = 'a gate was closed by a fence that had been given up there'
  const resting = gate.resting ?? gate.state
  gate.fence = fence
  gate.until = fence
  gate.resting = resting
  enter(s, side, 'fenced')
  log(s, side, markerFrom + generation * 10 + fence)
  return resting
}

export function giveUpFence(s: State, side: Side, fence: number, protocol: Protocol): true | undefined {
  const gate = s.gates[side]
  if (gate.fence <= fence) {
    if (isLocked(s, side)) return undefined
    gate.givenUp = fence
    if (!protocol.has('a fence that is given up keeps its number')) gate.fence = fence
    gate.until = 0
    const resting = gate.resting ?? gate.state
    gate.resting = null
    enter(s, side, resting)
  }
  gate.capabilities = gate.state
  return true
}

export function retireGate(s: State, side: Side, fence: number): true | undefined {
  const gate = s.gates[side]
  if (gate.fence > fence) return true
  if (isLocked(s, side)) return undefined
  gate.fence = fence
  gate.until = 0
  gate.resting = null
  enter(s, side, 'moved')
  return true
}

/** Of a mutant: readers are let in, writers wait. */
export function prepareGate(s: State, side: Side, fence: number): true {
  const gate = s.gates[side]
  if (gate.state === 'moved' && gate.fence <= fence) enter(s, side, 'fenced')
  return true
}

/** And out again. */
export function shutGate(s: State, side: Side, fence: number): true {
  const gate = s.gates[side]
  if (gate.state === 'fenced' && gate.until === 0 && gate.fence <= fence) enter(s, side, 'moved')
  return true
}

/** The place of a new move: closed, and with a number that no earlier move has. */
export function claimGate(s: State, side: Side, fence: number): void {
  s.gates[side].fence = fence
  enter(s, side, 'moved')
  forget(s, side)
}

export function openGate(
  s: State,
  side: Side,
  { fence, resting }: { fence: number; resting: GateState },
  protocol: Protocol,
): true | undefined {
  if (protocol.has('opening has no number')) return setGate(s, side, resting)
  const gate = s.gates[side]
  const mayOpen = gate.state === 'moved' || (gate.state === 'fenced' && gate.until === 0)
  if (gate.fence > fence || !mayOpen) return true
  gate.fence = fence
  enter(s, side, resting)
  forget(s, side)
  return true
}

/** Of operations: a gate that a move has fenced is not theirs. */
export function setGate(s: State, side: Side, state: GateState): true | undefined {
  if (s.gates[side].until !== 0 || isLocked(s, side)) return undefined
  enter(s, side, state)
  forget(s, side)
  return true
}

/** @returns the number up to which gates may be reopened; null while one may still be committed. */
export function expireFence(s: State, protocol: Protocol): number | null {
  const isOverdue = s.passed >= s.fence
  if (isOver(s.move) && protocol.has('fences of moves that are over do not expire')) return null
  if ((s.move === 'switched' || s.move === 'turning') && !protocol.has('a fence expires after the switch')) return null
  if (s.move === 'fencing' && !isOverdue) return null
  if (s.move === 'fencing') {
    s.move = 'following'
    s.givenUp = Math.max(s.givenUp, s.fence)
  }
  return s.fence
}

export function reopenGate(s: State, side: Side, fence: number, protocol: Protocol): true | undefined {
  const gate = s.gates[side]
  if (gate.state === 'fenced') {
    const isOverdue = gate.until !== 0 && s.passed >= gate.until
    if (!isOverdue || gate.fence > fence) return true
  }
  const raised = Math.max(gate.fence, fence)
  const given = giveUpFence(s, side, protocol.has('reopening keeps the number') ? gate.fence : raised, protocol)
  if (given !== undefined) gate.givenUp = raised
  return given
}

/** May somebody who has a route to the place, or had one, read there now? With the capability he has, or a fresh one. */
export function isReadable(s: State, side: Side): boolean {
  if (!s.known[side]) return false
  const { state, until, capabilities, capabilitiesUntil } = s.gates[side]
  if (lets(capabilities) && (capabilitiesUntil === 0 || s.passed < capabilitiesUntil)) return true
  return lets(state) && (until === 0 || s.passed < until)
}

/** What a capability says to somebody who writes: of those he has, or of a fresh one. */
export function writableAs(s: State, side: Side): GateState {
  const { state, capabilities } = s.gates[side]
  return capabilities === 'fenced' && state === 'moving' ? 'moving' : capabilities
}

function lets(state: GateState): boolean {
  return state !== 'moved' && state !== 'suspended'
}

/** Removes the rows of a place that does not serve: behind the gate's lock, and by its number. */
export function purge(s: State, side: Side, fence: number, protocol: Protocol): void {
  const gate = s.gates[side]
  if (!protocol.has('a purge does not look at the gate') && (gate.state !== 'moved' || gate.fence > fence)) return
  if (side === s.serving) s.violation = 'the rows of the place that serves were purged'
  if (s.rows[side] !== 0) log(s, side, deletion)
  s.rows[side] = 0
}
