// A mover: one process that walks the states of a move as operations/moves/drive-move.ts does, one statement at a time, and a switch
// along core/move.ts's own list of steps. It believes what it read last. One that was taken over goes on all the same, until a write to
// the journal tells it.

import { isOver } from '../../../../src/core/move.ts'
import {
  announceFence,
  closeGate,
  giveUpFence,
  isLocked,
  movingSince,
  openGate,
  prepareGate,
  purge,
  retireGate,
  shutGate,
  startMoving,
  stopMoving,
} from './database.ts'
import type { ModelStep, Protocol } from './protocol.ts'
import { copyOf, idle, type Mover, type MoverAt, otherOf, type Side, type State } from './state.ts'

/** What can happen next: a sentence, and the state after it. */
export interface Step {
  readonly label: string
  /** Who does it: a mover that has the claim, one that has lost it, or anybody else. */
  readonly by: 'mover' | 'zombie' | 'anybody'
  readonly next: State
}

export function moverSteps(s: State, protocol: Protocol): readonly Step[] {
  return s.movers.flatMap((mover, id) => {
    const stepping = new Stepping(s, id, mover, protocol)
    stepping.walk()
    return stepping.steps
  })
}

/** A change of a copy. `undefined`: it waits. Otherwise where the mover stands then, with what it has learnt. */
type Change = (s: State, mover: Mover) => Partial<Mover> | 'idle' | undefined

class Stepping {
  readonly steps: Step[] = []
  readonly #s: State
  readonly #id: number
  readonly #mover: Mover
  readonly #protocol: Protocol

  constructor(s: State, id: number, mover: Mover, protocol: Protocol) {
    this.#s = s
    this.#id = id
    this.#mover = mover
    this.#protocol = protocol
  }

  walk(): undefined {
    const { at } = this.#mover
    if (at === 'idle') return this.#claim()
    this.#step('dies', () => 'idle')
    switch (at) {
      case 'follow':
        return this.#follow()
      case 'tend':
      case 'tend-give-up':
      case 'tend-start':
      case 'tend-advance':
        return this.#tend(at)
      case 'older-start':
        return this.#step('start_moving', (s, mover) => startMoving(s, mover.serving) && { at: 'older-since' })
      case 'older-since':
        return this.#step('moving_since', (s, { serving }) => {
          if (isLocked(s, serving) && !s.gates[serving].isKnown) return undefined
          return movingSince(s, serving) ? { at: 'older-wait' } : 'idle'
        })
      case 'older-wait':
        return this.#step('has waited for older transactions', (_s, mover) =>
          this.#isNobodyOlder(mover.serving)
            ? { at: this.#protocol.steps[0]!, hasWaited: this.#s.gates[mover.serving].isKnown }
            : undefined,
        )
      case 'give-up':
      case 'shut-other':
      case 'reopen':
        return this.#giveUp(at)
      case 'note-turning':
        return this.#note('switched', 'turning', 'turn-retire')
      case 'turn-retire':
      case 'turn-unsubscribe':
      case 'turn-subscribe':
      case 'settle-slot':
      case 'settle-start':
        return this.#turn(at)
      case 'note-following':
        return this.#note('turning', 'following', 'idle')
      case 'finish-replication':
      case 'finish-gate':
      case 'purge':
      case 'note-over':
        return this.#finish(at)
      default:
        return this.#switch(at)
    }
  }

  #claim(): undefined {
    if (isOver(this.#s.move)) return
    this.#step('takes the move', (s) => {
      s.owner = this.#id
      return { ...read(s), at: startOf(s, this.#protocol) }
    })
  }

  #follow(): undefined {
    const { fencesMax, generationsMax, movesMax = 0, isTended = false, isVerified = false } = this.#protocol
    const s = this.#s
    // What it does next it reads anew, and that read asks nobody whether it still has the claim.
    const isTendable = s.move === 'following' || this.#protocol.has('a following move is tended while it is fenced')
    if (isTended && isTendable) this.#step('reads the move, and tends it', (now) => ({ ...read(now), at: 'tend' }))
    if (s.move !== 'following') return this.#step('reads that it is another’s', () => 'idle')
    if (s.fence < fencesMax && s.generation < generationsMax) {
      this.#step('reads that it is to be switched', (now) => ({ ...read(now), at: 'older-start', isVerifying: false }))
      if (isVerified) this.#step('reads that it is to be verified', (now) => ({ ...read(now), at: 'older-start', isVerifying: true }))
    }
    if (movesMax > 0 && this.#isHeld()) {
      const to = s.serving === 1 ? 'finishing' : 'cancelling'
      this.#step(`journal: following → ${to}`, (now) => {
        now.move = to
        return { ...read(now), at: startOf(now, this.#protocol) }
      })
    }
  }

  #tend(at: MoverAt): undefined {
    const { serving, generation, fence } = this.#mover
    const protocol = this.#protocol
    if (at === 'tend') {
      this.#step('looks at the gate', (s) => ({ at: s.gates[serving].state === 'fenced' ? 'tend-give-up' : 'tend-start' }))
    } else if (at === 'tend-give-up') {
      this.#step(`give_up_fence(${serving}, ${fence})`, (s) => giveUpFence(s, serving, fence, protocol) && { at: 'tend-start' })
    } else if (at === 'tend-start') {
      this.#step(`start_moving(${serving}), and reads the log`, (s) => {
        const slot = s.slots[generation + 1]
        return startMoving(s, serving) && { at: 'tend-advance', log: slot === undefined ? 0 : slot.taken + slot.queue.length }
      })
    } else {
      const isUnasked = protocol.has('the slot of the way back is advanced unasked')
      if (!isUnasked && (!this.#isHeld() || this.#s.generation !== generation || this.#s.move !== 'following')) {
        return this.#step('is told that it has lost the claim', () => 'idle')
      }
      this.#step(`advances the slot of generation ${generation + 1}`, (s) => {
        const slot = s.slots[generation + 1]
        if (slot?.isThere && !slot.isSubscribed) {
          const end = slot.taken + slot.queue.length
          const upTo = isUnasked ? end : Math.min(this.#mover.log, end)
          s.slots = s.slots.with(generation + 1, { ...slot, queue: slot.queue.slice(upTo - slot.taken), taken: upTo })
        }
        return this.#rests(s)
      })
    }
  }

  #switch(step: ModelStep): undefined {
    const { mover, protocol } = { mover: this.#mover, protocol: this.#protocol }
    const { serving, generation, fence } = mover
    const next: MoverAt = protocol.steps[protocol.steps.indexOf(step) + 1] ?? 'note-turning'
    const isCommitted = protocol.steps.indexOf(step) > protocol.steps.indexOf('commit')
    // A failure of any kind, before the commit: it is given up. Afterwards it is tried again.
    if (!isCommitted && step !== 'claim-fence' && step !== 'commit') this.#step(`fails at ${step}`, () => ({ at: 'give-up' }))
    switch (step) {
      case 'claim-fence':
        return this.#claimFence(next)
      case 'prepare-other': {
        const other = otherOf(serving)
        return this.#step(`lets readers in at ${other}`, (s) => prepareGate(s, other, fence) && { at: next })
      }
      case 'announce':
        return this.#step(`announce_fence(${serving}, ${fence})`, (s) => {
          announceFence(s, serving, fence)
          return { at: next }
        })
      case 'close-gate':
        return this.#closeGate(next)
      case 'drain':
        if (hasMarker(this.#s, otherOf(serving), generation, fence) || protocol.has('the switch does not wait for the drain')) {
          this.#step(`sees the marker of fence ${fence}`, () => ({ at: mover.isVerifying ? 'give-up' : next }))
        }
        return
      case 'commit':
        return this.#commit(next)
      case 'retire': {
        const left = otherOf(serving)
        const number = protocol.has('retiring has no number') ? Math.max(fence, this.#s.gates[left].fence) : fence
        this.#step(`retire_gate(${left}, ${fence})`, (s) => retireGate(s, left, number) && { at: next })
        // Its server cannot be reached, and its own deadline has shut everybody out.
        if (this.#s.passed >= fence) this.#step(`cannot reach ${left}, whose deadline is past`, () => ({ at: next }))
        return
      }
      case 'open':
        if (!isCommitted) return this.#step('opens early', (s) => openGate(s, otherOf(serving), mover, protocol) && { at: next })
        // The marker was durable before the commit: without it the place has lost what it had.
        if (!hasMarker(this.#s, serving, generation - 1, fence) && !protocol.has('the switch does not wait for the drain')) return
        return this.#step(`open_gate(${serving}, ${fence}, ${mover.resting})`, (s) => openGate(s, serving, mover, protocol) && { at: next })
    }
  }

  #claimFence(next: MoverAt): undefined {
    const { fencesMax } = this.#protocol
    const isFree = this.#s.operation === 'none' || this.#protocol.has('operations do not wait for a switch')
    if (this.#isHeld() && this.#s.move === 'following' && this.#s.fence < fencesMax && isFree) {
      this.#step(`journal: claims fence ${this.#s.fence + 1}`, (s) => {
        s.move = 'fencing'
        s.fence += 1
        return { at: next, fence: s.fence }
      })
    } else if (this.#s.operation === 'none' || !this.#isHeld()) this.#step('cannot claim a fence', (s) => this.#rests(s))
  }

  #closeGate(next: MoverAt): undefined {
    const { serving, fence } = this.#mover
    this.#step(`close_gate(${serving}, ${fence})`, (s, mover) => {
      const resting = closeGate(s, serving, mover, this.#protocol)
      return resting === undefined ? undefined : resting === null ? { at: 'give-up' } : { at: next, resting }
    })
    if (this.#s.writers.some(({ isLocked, place }) => isLocked && place === serving)) {
      this.#step('ends the transactions that it waits for', (s) => {
        s.writers = s.writers.map((writer) =>
          writer.isLocked && writer.place === serving
            ? { ...writer, at: 'idle', isLocked: false, isOld: false, isOlder: false, place: 0, sees: 'open' }
            : writer,
        )
        return {}
      })
    }
  }

  #commit(next: MoverAt): undefined {
    const { fence, resting } = this.#mover
    const s = this.#s
    const isAsked = !this.#protocol.has('the switch is committed without its fence')
    const isGood = this.#isHeld() && s.move === 'fencing' && s.fence === fence && s.passed < fence
    if (isAsked && !isGood) return this.#step('cannot commit', () => ({ at: 'give-up' }))
    if (isOver(s.move) || s.generation >= this.#protocol.generationsMax) return
    this.#step(`journal: commits fence ${fence}`, (now) => {
      if (fence <= now.givenUp) now.violation = 'a fence was committed that had been given up'
      now.move = 'switched'
      now.serving = otherOf(now.serving)
      now.generation += 1
      now.resting = resting
      now.known = [true, true]
      return { ...read(now), at: next }
    })
  }

  #giveUp(at: MoverAt): undefined {
    const { serving, fence } = this.#mover
    const isShut = this.#protocol.steps.includes('prepare-other')
    const first: MoverAt = isShut ? 'shut-other' : 'reopen'
    if (at === 'shut-other') {
      return this.#step(`lets nobody in at ${otherOf(serving)}`, (s) => shutGate(s, otherOf(serving), fence) && { at: 'reopen' })
    }
    if (at === 'reopen') {
      return this.#step(`give_up_fence(${serving}, ${fence})`, (s) => giveUpFence(s, serving, fence, this.#protocol) && this.#rests(s))
    }
    if (this.#isHeld() && this.#s.move === 'fencing' && this.#s.fence === fence) {
      return this.#step(`journal: gives up fence ${fence}`, (s) => {
        s.move = 'following'
        s.givenUp = Math.max(s.givenUp, fence)
        return { at: first }
      })
    }
    // Somebody else gave it up, or has committed another.
    if (this.#s.move === 'following') return this.#step('reads that it was given up', (s) => ({ ...read(s), fence, at: first }))
    this.#step('reads that it is another’s', () => 'idle')
  }

  #turn(at: MoverAt): undefined {
    const { serving, generation, fence } = this.#mover
    const left = otherOf(serving)
    switch (at) {
      case 'turn-retire':
        return this.#step(`retire_gate(${left}, ${fence})`, (s) => retireGate(s, left, fence) && { at: 'turn-unsubscribe' })
      case 'turn-unsubscribe':
        return this.#step(`drops the replication of generation ${generation - 1}`, (s) => {
          if (!this.#protocol.has('rows are purged while they are still replicated')) s.slots = s.slots.with(generation - 1, gone)
          return { at: 'turn-subscribe' }
        })
      case 'turn-subscribe':
        return this.#step(`subscribes to generation ${generation}`, (s) => {
          const slot = s.slots[generation]!
          const isThere = slot.isThere || this.#protocol.has('the slot of the way back is made after the switch')
          // Of a zombie: a subscription without a slot brings nothing.
          s.slots = s.slots.with(generation, { ...slot, isThere, isSubscribed: isThere })
          return { at: 'settle-slot' }
        })
      case 'settle-slot':
        return this.#step(`makes the slot of generation ${generation + 1}`, (s) => {
          const slot = s.slots[generation + 1]
          const isLate = this.#protocol.has('the slot of the way back is made after the switch')
          if (slot !== undefined && !isLate) s.slots = s.slots.with(generation + 1, { ...slot, isThere: true })
          return { at: 'settle-start' }
        })
      default:
        return this.#step(`start_moving(${serving})`, (s) => startMoving(s, serving) && { at: 'note-following' })
    }
  }

  #finish(at: MoverAt): undefined {
    const { serving, generation, fence } = this.#mover
    switch (at) {
      case 'finish-replication':
        return this.#step('drops replication', (s) => {
          s.slots = s.slots.with(generation, gone)
          if (s.slots[generation + 1] !== undefined) s.slots = s.slots.with(generation + 1, gone)
          return { at: 'finish-gate' }
        })
      case 'finish-gate':
        return this.#step(`stop_moving(${serving})`, (s) => stopMoving(s, serving) && { at: 'purge' })
      case 'purge':
        return this.#step(`purges ${otherOf(serving)}`, (s) => {
          purge(s, otherOf(serving), fence, this.#protocol)
          return { at: 'note-over' }
        })
      default:
        if (!this.#isHeld()) return this.#step('is told that it has lost the claim', () => 'idle')
        return this.#step(`journal: ${this.#s.move} → over`, (s) => {
          s.move = s.move === 'finishing' ? 'done' : 'cancelled'
          s.owner = -1
          return 'idle'
        })
    }
  }

  #note(from: State['move'], to: State['move'], at: MoverAt): undefined {
    if (!this.#isHeld() || this.#s.move !== from) return this.#step('is told that it has lost the claim', () => 'idle')
    this.#step(`journal: ${from} → ${to}`, (s) => {
      s.move = to
      return at === 'idle' ? this.#rests(s) : { at }
    })
  }

  #rests(s: State): 'idle' {
    if (this.#isHeld()) s.owner = -1
    return 'idle'
  }

  #isHeld(): boolean {
    return this.#s.owner === this.#id
  }

  #isNobodyOlder(side: Side): boolean {
    if (this.#protocol.has('nobody waits for transactions from before')) return true
    return !this.#s.writers.some(({ at, place, isOlder }) => at !== 'idle' && place === side && isOlder)
  }

  #step(label: string, change: Change): undefined {
    const next = copyOf(this.#s)
    const learnt = change(next, this.#mover)
    if (learnt === undefined) return
    const now = next.movers[this.#id]!
    next.movers[this.#id] = learnt === 'idle' ? idle(now) : { ...now, ...learnt }
    const by = this.#mover.at === 'idle' || this.#isHeld() ? 'mover' : 'zombie'
    this.steps.push({ label: `mover ${this.#id}${by === 'zombie' ? ' (taken over)' : ''} ${label}`, by, next })
  }
}

const gone = { isThere: false, isSubscribed: false, queue: [], taken: 0 } as const

function hasMarker(s: State, side: Side, generation: number, fence: number): boolean {
  return (s.markers[side][generation] ?? 0) >= fence
}

function read(s: State): Partial<Mover> {
  return { serving: s.serving, generation: s.generation, fence: s.fence, resting: s.resting, isVerifying: false, hasWaited: false }
}

/** Where whoever takes the move begins. */
function startOf(s: State, { steps }: Protocol): MoverAt {
  switch (s.move) {
    case 'fencing':
      return 'give-up'
    case 'switched':
      return steps[steps.indexOf('commit') + 1] ?? 'note-turning'
    case 'turning':
      return 'turn-retire'
    case 'finishing':
    case 'cancelling':
      return 'finish-replication'
    default:
      return 'follow'
  }
}
