// What bounds a call of a store, also where something in it does not listen to a signal: a function of the caller's, or another
// client's own.

import { ConfigurationError, type SecretStoreError } from '../errors.ts'

/** No store is waited for longer than this. Node's timers take less than 25 days, and misread more. */
const boundsMax = { timeoutMs: 600_000, triesMax: 100, pauseMs: 60_000 } as const

/** @throws {ConfigurationError} for what is no whole number from 1 to the setting's maximum. */
export function checkBounds(bounds: Readonly<Record<keyof typeof boundsMax, number>>): void {
  for (const setting of ['timeoutMs', 'triesMax', 'pauseMs'] as const) {
    if (Number.isInteger(bounds[setting]) && bounds[setting] >= 1 && bounds[setting] <= boundsMax[setting]) continue
    throw new ConfigurationError(`${setting} is a whole number from 1 to ${boundsMax[setting]}.`)
  }
}

/**
 * Waits for the work no longer than that, and then tells it by the signal. What it does after that is heard by nobody.
 *
 * @param tooLate what is thrown then.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  tooLate: () => SecretStoreError,
): Promise<T> {
  const controller = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    // First this, so that what the work says of the signal comes second.
    late.reject(tooLate())
    controller.abort()
  }, timeoutMs)
  try {
    return await Promise.race([work(controller.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
