// Whether to try again what has just failed: at once, later, or by one probe alone. For servers that cannot be reached, and
// for whatever else answers slowly or not at all when it is down: a caller is told in microseconds what the last one waited for.

import type { Clock } from './clock.ts'

export interface BackoffOptions {
  readonly clock: Clock
  /** The first pause, in milliseconds. Default 250. */
  readonly pauseMinMs?: number | undefined
  /** The longest pause. Each failure after a pause doubles it. Default 15,000. */
  readonly pauseMaxMs?: number | undefined
}

/** One try. Whoever starts it reports its end, exactly once. */
export interface Attempt {
  readonly startedAt: number
  readonly isProbe: boolean
}

/**
 * Lets everything through while all is well; after a failure nothing for a pause, then one probe at a time.
 *
 * @example
 * ```ts
 * if (!backoff.mayTry) throw new DatabaseUnavailableError('…', { cause: backoff.cause })
 * const attempt = backoff.start()
 * try {
 *   await connect()
 *   backoff.succeeded()
 * } catch (error) {
 *   backoff.failed(attempt, error)
 * }
 * ```
 */
export class Backoff {
  readonly #clock: Clock
  readonly #pauseMinMs: number
  readonly #pauseMaxMs: number
  #pauseMs = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #probe: Attempt | undefined
  #cause: unknown

  constructor(options: BackoffOptions) {
    this.#clock = options.clock
    this.#pauseMinMs = options.pauseMinMs ?? 250
    this.#pauseMaxMs = options.pauseMaxMs ?? 15_000
  }

  /** Has the latest attempt not failed? */
  get isWell(): boolean {
    return this.#pauseMs === 0
  }

  get mayTry(): boolean {
    return this.isWell || (this.#probe === undefined && this.retryInMs === 0)
  }

  /** How long the pause still lasts, in milliseconds. */
  get retryInMs(): number {
    return this.isWell ? 0 : Math.max(0, this.#failedAt + this.#pauseMs - this.#clock.monotonic())
  }

  /** What the latest failure was. */
  get cause(): unknown {
    return this.#cause
  }

  start(): Attempt {
    const attempt = { startedAt: this.#clock.monotonic(), isProbe: !this.isWell }
    if (attempt.isProbe) this.#probe = attempt
    return attempt
  }

  succeeded(): void {
    this.#pauseMs = 0
    this.#probe = undefined
    this.#cause = undefined
  }

  failed(attempt: Attempt, cause: unknown): void {
    this.abandoned(attempt)
    // Many that were under way when the first failed are one failure, not many.
    if (!attempt.isProbe && attempt.startedAt <= this.#failedAt) return
    this.#cause = cause
    this.#failedAt = this.#clock.monotonic()
    this.#pauseMs = this.isWell ? this.#pauseMinMs : Math.min(this.#pauseMs * 2, this.#pauseMaxMs)
  }

  /** The attempt ended and told nothing. */
  abandoned(attempt: Attempt): void {
    if (this.#probe === attempt) this.#probe = undefined
  }
}
