// Everybody but the movers: writers, replication, time, operations, and whoever notices that a fence is overdue. And what must always
// hold.

import { isOver } from '../../../../src/core/move.ts'
import { claimGate, expireFence, isReadable, log, reopenGate, setGate, startMoving, writableAs } from './database.ts'
import { moverSteps, type Step } from './mover.ts'
import type { Protocol } from './protocol.ts'
import { copyOf, deletion, markerFrom, otherOf, publisher, type Side, type State, type Writer } from './state.ts'

const sides: readonly Side[] = [0, 1]
const atRest: Omit<Writer, 'written'> = { at: 'idle', place: 0, sees: 'open', isLocked: false, isOld: false, isOlder: false }

export function stepsFrom(s: State, protocol: Protocol): readonly Step[] {
  const steps: Step[] = [...moverSteps(s, protocol)]
  const anybody = (label: string, change: (next: State) => unknown): undefined => {
    const next = copyOf(s)
    if (change(next) !== undefined) steps.push({ label, by: 'anybody', next })
  }
  for (const [id, writer] of s.writers.entries()) writerSteps(s, { writer, id, protocol }, anybody)
  replicationSteps(s, protocol, anybody)
  if (s.passed < s.fence)
    anybody(`the deadline of fence ${s.passed + 1} passes`, (next) => {
      next.passed += 1
      return true
    })
  noticingSteps(s, protocol, anybody)
  operationSteps(s, protocol, anybody)
  if (isOver(s.move) && s.movesBegun < (protocol.movesMax ?? 0)) anybody('another move begins', (next) => beginAgain(next, protocol))
  return steps
}

type Anybody = (label: string, change: (next: State) => unknown) => undefined

function writerSteps(s: State, { writer, id, protocol }: { writer: Writer; id: number; protocol: Protocol }, anybody: Anybody): undefined {
  const change = (label: string, next: Partial<Writer>): undefined =>
    anybody(`writer ${id} ${label}`, (state) => {
      state.writers[id] = { ...writer, ...next }
      return true
    })
  const readsFirst = protocol.hasSnapshots === true && id > 0
  const locks = !protocol.has('writes take no lock')
  switch (writer.at) {
    case 'idle': {
      if (writer.written >= protocol.writesMax) return
      for (const place of sides) {
        if (!s.known[place]) continue
        const sees = writableAs(s, place)
        if (readsFirst) {
          if (isReadable(s, place)) change(`takes a snapshot at ${place}`, { at: 'begun', place, sees })
        } else if (sees === 'open') {
          change(`writes at ${place}, on the fast path`, { at: 'wrote', place, sees })
        } else if (sees === 'moving' && mayWrite(s, place)) {
          if (protocol.has('the gate is looked at before it is locked'))
            change(`looks at the gate of ${place}`, { at: 'checked', place, sees })
          else change(`writes at ${place}, with the lock`, { at: 'wrote', place, sees, isLocked: locks })
        }
      }
      return
    }
    case 'begun':
      if (writer.sees === 'open') change(`writes at ${writer.place}, on the fast path`, { at: 'wrote' })
      // A row that is not the one of the snapshot cannot be locked: 40001.
      else if (writer.sees === 'moving' && !(writer.isOld && locks))
        change(`writes at ${writer.place}, with the lock`, { at: 'wrote', isLocked: locks })
      return change('gives up', atRest)
    case 'checked':
      return change(`writes at ${writer.place}, with the lock`, { at: 'wrote', isLocked: true })
    case 'wrote':
      anybody(`writer ${id} commits, and is told so`, (next) => {
        const item = id * protocol.writesMax + writer.written
        next.rows[writer.place] |= 1 << item
        log(next, writer.place, item)
        next.acknowledged |= 1 << item
        next.writers[id] = { ...atRest, written: writer.written + 1 }
        return true
      })
      return change('rolls back', atRest)
  }
}

function mayWrite(s: State, place: Side): boolean {
  const { state } = s.gates[place]
  return state === 'open' || state === 'moving'
}

/** One entry of one subscription at a time, in its order. */
function replicationSteps(s: State, protocol: Protocol, anybody: Anybody): void {
  const forgets = protocol.has('the other place shows what it may lose')
  s.slots.forEach((slot, generation) => {
    const [entry] = slot.queue
    if (entry === undefined || !slot.isThere || !slot.isSubscribed) return
    const to = otherOf(publisher(generation))
    anybody(`replication brings ${told(entry)} to ${to}`, (next) => {
      apply(next, to, entry)
      next.slots = next.slots.with(generation, { ...slot, queue: slot.queue.slice(1), taken: slot.taken + 1 })
      if (forgets) next.volatile[to] = [...next.volatile[to], entry]
      return true
    })
  })
  if (!forgets) return
  for (const side of sides) {
    const lost = s.volatile[side]
    if (lost.length === 0) continue
    anybody(`the server of ${side} is killed, and loses what it had applied`, (next) => {
      next.volatile[side] = []
      const generation = next.slots.findIndex((slot, at) => slot.isSubscribed && publisher(at) !== side)
      for (const entry of lost) if (entry < deletion) next.rows[side] &= ~(1 << entry)
      next.markers[side] = next.markers[side].map(() => 0)
      // What was not flushed was not confirmed either: it is sent again, if there is still a slot.
      const slot = next.slots[generation]
      if (slot !== undefined) next.slots = next.slots.with(generation, { ...slot, queue: [...lost, ...slot.queue] })
      return true
    })
  }
}

function apply(s: State, to: Side, entry: number): void {
  if (entry === deletion) {
    s.rows[to] = 0
  } else if (entry >= markerFrom) {
    const [generation, fence] = [Math.trunc((entry - markerFrom) / 10), (entry - markerFrom) % 10]
    s.markers[to] = s.markers[to].with(generation, fence)
  } else {
    if ((s.rows[to] & (1 << entry)) !== 0) s.violation = `the write ${entry} was applied twice`
    s.rows[to] |= 1 << entry
  }
}

/** Asks the catalog, and then, perhaps much later, the place that he knows. */
function noticingSteps(s: State, protocol: Protocol, anybody: Anybody): void {
  if (s.told < 0 && s.fence > 0) {
    const isAsked = !protocol.has('a gate is reopened without asking the catalog')
    anybody('somebody calls expire_fence', (next) => {
      const number = isAsked ? expireFence(next, protocol) : next.fence
      if (number === null) return undefined
      next.told = number
      return true
    })
  }
  if (s.told < 0) return
  for (const place of sides) {
    if (!s.known[place]) continue
    anybody(`somebody calls reopen_gate(${place}, ${s.told})`, (next) => {
      const { told: number } = next
      next.told = -1
      return reopenGate(next, place, number, protocol)
    })
  }
}

function operationSteps(s: State, protocol: Protocol, anybody: Anybody): void {
  if (s.operation === 'none') {
    const waits = (s.move === 'fencing' || s.move === 'switched') && !protocol.has('operations do not wait for a switch')
    if (waits || s.operationsLeft === 0) return
    const operation = s.isSuspended ? 'resume' : 'suspend'
    anybody(`an operation begins: ${operation}`, (next) => {
      next.operation = operation
      next.operationsLeft -= 1
      return true
    })
    return
  }
  const { operation } = s
  const state = operation === 'suspend' ? 'suspended' : 'open'
  anybody(`the operation calls set_gate(${s.serving}, ${state})`, (next) => {
    if (setGate(next, next.serving, state) === undefined) return undefined
    next.isSuspended = operation === 'suspend'
    next.operation = 'none'
    return true
  })
}

/** The tenant moves once more, between the same places. Its copy is there at once. */
function beginAgain(s: State, protocol: Protocol): true | undefined {
  const to = otherOf(s.serving)
  if (startMoving(s, s.serving) === undefined) return undefined
  s.movesBegun += 1
  s.move = 'following'
  s.owner = -1
  s.rows[to] = s.rows[s.serving]
  if (protocol.has('fences are counted anew by each move')) {
    s.fence = 0
    s.passed = 0
    s.givenUp = 0
  } else {
    // A number of its own, under which the place that it goes to is made ready: whoever purges there for an earlier move comes too late.
    s.fence += 1
    s.passed = Math.max(s.passed, s.fence - 1)
    claimGate(s, to, s.fence)
  }
  s.markers = [s.markers[0].map(() => 0), s.markers[1].map(() => 0)]
  const fresh = { isThere: true, isSubscribed: false, queue: [], taken: 0 }
  s.slots = s.slots.map((slot, generation) =>
    generation === s.generation ? { ...fresh, isSubscribed: true } : generation === s.generation + 1 ? fresh : slot,
  )
  return true
}

/** What is wrong with a state; undefined for nothing. */
export function wrongWith(s: State): string | undefined {
  if (s.violation !== undefined) return s.violation
  for (const side of sides) {
    const isOpen = mayWrite(s, side)
    if (isOpen && side !== s.serving) return `the gate of ${side} is open, and ${s.serving} serves the tenant`
    if (isOpen && s.isSuspended && s.operation === 'none') return 'the tenant is suspended, and its gate is open'
    if (isReadable(s, side) && (s.acknowledged & ~s.rows[side]) !== 0) {
      return side === s.serving ? 'an acknowledged write is lost' : `who reads at ${side} does not see a write that was acknowledged before`
    }
  }
  return undefined
}

/** Is the tenant as its people want it: written, or suspended? */
export function isServed(s: State): boolean {
  const { state, capabilities } = s.gates[s.serving]
  if (s.isSuspended) return state === 'suspended'
  return (state === 'open' || state === 'moving') && capabilities === state
}

/** Nobody who moves the tenant has to be alive for it to be served again. */
export function needsNoMover({ move }: State): boolean {
  return move !== 'switched' && move !== 'turning'
}

function told(entry: number): string {
  return entry === deletion
    ? 'the deletion of everything'
    : entry >= markerFrom
      ? `the marker of fence ${(entry - markerFrom) % 10}`
      : `write ${entry}`
}
