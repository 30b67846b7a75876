// Every interleaving, breadth first, so that what is found is told by the shortest way that leads to it.

import type { Protocol } from './protocol.ts'
import { firstState, keyOf, type State } from './state.ts'
import { isServed, needsNoMover, stepsFrom, wrongWith } from './world.ts'

export interface Counterexample {
  readonly what: string
  /** One sentence for each step, from the beginning. */
  readonly trace: readonly string[]
}

export interface Exploration {
  readonly states: number
  readonly steps: number
  /** Everything that can be reached within the bounds was seen. */
  readonly isComplete: boolean
  readonly counterexample: Counterexample | undefined
}

const statesMaxDefault = 3_000_000

export function explore(protocol: Protocol): Exploration {
  const exploring = new Exploring(protocol)
  return exploring.run()
}

class Exploring {
  readonly #protocol: Protocol
  readonly #seen = new Map<string, number>()
  readonly #parents: number[] = []
  readonly #labels: number[] = []
  readonly #words = new Map<string, number>()
  readonly #edges: number[] = []
  readonly #edgesWithoutMover: number[] = []
  readonly #isServed: boolean[] = []
  readonly #needsNoMover: boolean[] = []
  #queue: State[] = []
  #steps = 0

  constructor(protocol: Protocol) {
    this.#protocol = protocol
  }

  run(): Exploration {
    const { statesMax = statesMaxDefault } = this.#protocol
    const { movers, writers, operations = 0 } = this.#protocol
    const hasWayBack = !this.#protocol.has('the slot of the way back is made after the switch')
    this.#add(firstState({ movers, writers, operations, hasWayBack }), -1, '')
    let [isComplete, at] = [true, 0]
    let wrong: Counterexample | undefined
    while (this.#queue.length > 0 && wrong === undefined && isComplete) {
      const layer = this.#queue
      this.#queue = []
      for (const state of layer) {
        wrong = this.#expand(state, at)
        at += 1
        isComplete = this.#parents.length <= statesMax
        if (wrong !== undefined || !isComplete) break
      }
    }
    if (isComplete) wrong ??= this.#stuck()
    return { states: this.#parents.length, steps: this.#steps, isComplete, counterexample: wrong }
  }

  #expand(state: State, at: number): Counterexample | undefined {
    for (const { label, by, next } of stepsFrom(state, this.#protocol)) {
      this.#steps += 1
      const to = this.#add(next, at, label)
      // What somebody may do who should be dead is no hope for the tenant.
      if (by !== 'zombie') this.#edges.push(at, to)
      if (by === 'anybody') this.#edgesWithoutMover.push(at, to)
      const what = wrongWith(next)
      if (what !== undefined) return { what, trace: this.#trace(at, label) }
    }
    return undefined
  }

  #add(state: State, parent: number, label: string): number {
    const key = keyOf(state)
    const found = this.#seen.get(key)
    if (found !== undefined) return found
    const at = this.#parents.length
    this.#seen.set(key, at)
    this.#parents.push(parent)
    let word = this.#words.get(label)
    if (word === undefined) {
      word = this.#words.size
      this.#words.set(label, word)
    }
    this.#labels.push(word)
    this.#isServed.push(isServed(state))
    this.#needsNoMover.push(needsNoMover(state))
    this.#queue.push(state)
    return at
  }

  /** A state from which no way leads to one in which the tenant is served. */
  #stuck(): Counterexample | undefined {
    const all = this.#canBeServed(this.#edges)
    const stuck = all.indexOf(0)
    if (stuck >= 0) return { what: 'the tenant is not served any more, whatever happens', trace: this.#trace(stuck) }
    const alone = this.#canBeServed(this.#edgesWithoutMover)
    const needy = alone.findIndex((can, at) => can === 0 && this.#needsNoMover[at] === true)
    if (needy < 0) return undefined
    return { what: 'the tenant is not served any more, unless a mover comes', trace: this.#trace(needy) }
  }

  #canBeServed(edges: readonly number[]): Uint8Array {
    const count = this.#parents.length
    const firsts = new Int32Array(count + 1)
    for (let at = 1; at < edges.length; at += 2) firsts[edges[at]! + 1]! += 1
    for (let at = 1; at <= count; at++) firsts[at]! += firsts[at - 1]!
    const froms = new Int32Array(edges.length / 2)
    const filled = firsts.slice()
    for (let at = 0; at < edges.length; at += 2) froms[filled[edges[at + 1]!]!++] = edges[at]!
    const can = Uint8Array.from(this.#isServed, Number)
    const reached = [...can.keys()].filter((at) => can[at] === 1)
    while (reached.length > 0) {
      const to = reached.pop()!
      for (let at = firsts[to]!; at < firsts[to + 1]!; at++) {
        const from = froms[at]!
        if (can[from] === 1) continue
        can[from] = 1
        reached.push(from)
      }
    }
    return can
  }

  #trace(at: number, last?: string): readonly string[] {
    const words = [...this.#words.keys()]
    const trace = last === undefined ? [] : [last]
    for (let now = at; now > 0; now = this.#parents[now]!) trace.unshift(words[this.#labels[now]!]!)
    return trace
  }
}
