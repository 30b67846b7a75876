// A clock that stands still until a test moves it.

import type { Clock } from '../../src/core/clock.ts'

export class ManualClock implements Clock {
  #monotonic = 0
  readonly #epoch: number

  constructor(epoch = Date.UTC(2026, 0, 1)) {
    this.#epoch = epoch
  }

  now(): number {
    return this.#epoch + this.#monotonic
  }

  monotonic(): number {
    return this.#monotonic
  }

  advance(ms: number): void {
    this.#monotonic += ms
  }
}
