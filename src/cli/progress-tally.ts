// What the bar and the lines both know: counts, rate, time left, and which failures have been told.

import type { Clock } from '../core/clock.ts'
import type { OperationEvent } from '../core/operation-event.ts'
import { printable } from './columns.ts'
import type { Advance } from './progress.ts'
import type { Terminal } from './verb.ts'

/** The rate is that of the last ten seconds, so that a slowdown shows; these samples span them. */
const sampleEveryMs = 500
const samplesMax = 20
/** After so many, failures are counted and no longer named: ten thousand lines say less than one. */
const failuresNamedMax = 10

interface Sample {
  readonly atMs: number
  readonly count: number
}

/** The state of one piece of long work. */
export class Tally {
  label = ''
  total = 0
  done = 0
  failed = 0
  running = 0
  note = ''
  isStarted = false
  readonly #clock: Clock
  #startedMs = 0
  #samples: Sample[] = []
  #failuresNamed = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(total: number, label: string): void {
    Object.assign(this, { label: printable(label), total, done: 0, failed: 0, running: 0, note: '', isStarted: true })
    this.#startedMs = this.#clock.monotonic()
    this.#samples = []
  }

  advance(given: Advance): void {
    this.done = given.done ?? this.done
    this.failed = given.failed ?? this.failed
    this.running = given.running ?? this.running
    if (given.note !== undefined) this.note = printable(given.note)
    const now = this.#sample()
    const last = this.#samples.at(-1)
    // The first sample is the first thing heard, not zero: what an earlier run has done is no part of this run's rate.
    if (last === undefined || now.atMs - last.atMs >= sampleEveryMs) this.#samples.push(now)
    if (this.#samples.length > samplesMax) this.#samples.shift()
  }

  /** Takes in an operation's event. The first failures are noted on the terminal by name. */
  take(event: OperationEvent, terminal: Terminal): void {
    if (event.kind === 'progress') {
      this.total = event.total
      this.advance(event)
      return
    }
    this.advance({ note: `${event.tenant} ${event.step}` })
    if (event.state !== 'failed') return
    this.#failuresNamed += 1
    if (this.#failuresNamed <= failuresNamedMax) {
      terminal.note(printable(`failed: ${event.operation} ${event.tenant} at ${event.step}${event.message ? `: ${event.message}` : ''}`))
    }
    if (this.#failuresNamed === failuresNamedMax) terminal.note('Further failures are counted, and not named here.')
  }

  /** Done or failed in a second of late; undefined before there is anything to judge by. */
  ratePerSec(): number | undefined {
    const now = this.#sample()
    const first = this.#samples[0]
    if (first === undefined || now.atMs <= first.atMs || now.count <= first.count) return undefined
    return ((now.count - first.count) * 1_000) / (now.atMs - first.atMs)
  }

  /** Until all is done at this rate; undefined when the total or the rate is not known. */
  secondsLeft(): number | undefined {
    const rate = this.ratePerSec()
    return rate === undefined || this.total === 0 ? undefined : Math.max(0, this.total - this.done - this.failed) / rate
  }

  elapsedSec(): number {
    return (this.#clock.monotonic() - this.#startedMs) / 1_000
  }

  #sample(): Sample {
    return { atMs: this.#clock.monotonic(), count: this.done + this.failed }
  }
}

/** `1.2`, `34`: as many digits as mean something. */
export function rateText(perSec: number): string {
  return `${perSec < 10 ? perSec.toFixed(1) : Math.round(perSec)}/s`
}

/** `42 s`, `3 min 05 s`, `2 h 10 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (part: number): string => String(part).padStart(2, '0')
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
  return `${Math.floor(whole / 3_600)} h ${two(Math.floor((whole % 3_600) / 60))} min`
}

/** How it ended: `migrate: 9999 of 10000 done, 1 failed, in 12 s`. */
export function summaryText(tally: Tally): string {
  const of = tally.total > 0 ? ` of ${tally.total}` : ''
  const failed = tally.failed > 0 ? `, ${tally.failed} failed` : ''
  return `${tally.label}: ${tally.done}${of} done${failed}, in ${durationText(tally.elapsedSec())}`
}
