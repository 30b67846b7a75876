// Trying again what collided with somebody else's lock: a bounded number of times, with pauses that grow and differ.

import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { AbortedError } from '../../errors.ts'

/** How often, and how long between. */
export interface RetryBounds {
  /** Attempts, the first among them. Default 10. */
  readonly attemptsMax?: number | undefined
  /** The longest first pause; it doubles. Default 200. */
  readonly pauseMs?: number | undefined
  /** The longest pause of all. Default 10,000. */
  readonly pauseMsMax?: number | undefined
}

/** Runs `fn` until it passes, fails by something that `isRetried` does not know, or has used up its attempts. */
export async function withAttempts<T>(
  options: RetryBounds & { readonly signal: AbortSignal; readonly isRetried: (error: unknown) => boolean },
  fn: (attempt: number) => Promise<T>,
): Promise<T> {
  const { attemptsMax = 10, pauseMs = 200, pauseMsMax = 10_000, signal, isRetried } = options
  for (let attempt = 1; ; attempt += 1) {
    assertWanted(signal)
    try {
      return await fn(attempt)
    } catch (error) {
      if (attempt >= attemptsMax || !isRetried(error)) throw error
    }
    const longest = Math.min(pauseMs * 2 ** (attempt - 1), pauseMsMax)
    // Anything between half and all of it: two runners that collided must not meet again.
    await setTimeout(randomInt(Math.ceil(longest / 2), longest + 1), undefined, { signal }).catch(() => undefined)
  }
}

/** @throws {AbortedError} when the caller has given up. */
export function assertWanted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new AbortedError('The migration was cancelled. What was applied stays; run it again to go on.', { cause: signal.reason })
}
