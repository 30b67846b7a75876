// Time is handed in, so that tests own it. This file alone reads the real clock.

/** A source of time. Both are milliseconds. */
export interface Clock {
  /** Wall-clock time, for dates that people read. */
  now(): number
  /** Monotonic time, for durations and deadlines. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
