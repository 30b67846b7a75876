// Waiting with an end.

import { runOutside } from './tenant-context.ts'

/**
 * Waits until `work` is done, at most `ms`. Leaves no timer behind: a process that has closed everything must be able to end.
 *
 * @throws what `work` fails with, in time.
 */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = runOutside(() => setTimeout(late.resolve, ms))
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
