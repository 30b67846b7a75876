// How long a copy is held back for the sake of its neighbours. It knows nothing of what it watches: a latency before, latencies now.

export interface CopyThrottleOptions {
  /** Latencies from before the copy, in milliseconds: at least eight. */
  readonly baseline: readonly number[]
  /** How much slower the neighbours may be: 1.25 is a quarter. Greater than 1. */
  readonly ratioMax: number
}

/** What to do until the next look. */
export interface ThrottleDecision {
  /** The part of the time for which the copy is held back, 0 to {@link heldPartMax}. */
  readonly heldPart: number
  /** Latencies of late, against those before. */
  readonly ratio: number
}

/** A copy is never stopped altogether: a machine that is always busy would never see its end. */
export const heldPartMax = 0.9
/** Latencies that count as of late. */
const recentMax = 8
const step = 0.15

/**
 * Additive in both directions, so that two copies beside each other come to share. High percentiles are compared, since it is the slow
 * requests that neighbours notice.
 */
export class CopyThrottle {
  readonly #before: number
  readonly #ratioMax: number
  readonly #recent: number[] = []
  #heldPart = 0

  constructor({ baseline, ratioMax }: CopyThrottleOptions) {
    this.#before = Math.max(high(baseline), 0.05)
    this.#ratioMax = ratioMax
  }

  observe(latencyMs: number): ThrottleDecision {
    this.#recent.push(latencyMs)
    if (this.#recent.length > recentMax) this.#recent.shift()
    const ratio = high(this.#recent) / this.#before
    this.#heldPart = ratio > this.#ratioMax ? Math.min(heldPartMax, this.#heldPart + step) : Math.max(0, this.#heldPart - step)
    return { heldPart: this.#heldPart, ratio }
  }
}

/** The slowest but one of eight: one pause of the machine is no neighbour's load. */
function high(latencies: readonly number[]): number {
  const sorted = [...latencies].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) * 0.9)] ?? 0
}
