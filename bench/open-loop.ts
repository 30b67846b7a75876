// Arrivals that do not wait for answers, as users do not: at random moments, at a mean rate.

import { seeded } from './quartiles.ts'

export interface OpenLoop {
  readonly perSecond: number
  /** Ends then, or when `until` fires, whichever is first. The last answers are waited for. */
  readonly durationMs: number
  readonly seed: number
  readonly until?: AbortSignal | undefined
}

/** @returns how long each took, in milliseconds, from when it was due; a timer's own lateness of a millisecond is forgiven. */
export async function openLoop(loop: OpenLoop, call: () => Promise<unknown>): Promise<readonly number[]> {
  const random = seeded(loop.seed)
  const latenciesMs: number[] = []
  const calls: Promise<void>[] = []
  const start = performance.now()
  for (let due = start; due < start + loop.durationMs; due += (-Math.log(1 - random()) * 1_000) / loop.perSecond) {
    const wait = due - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    if (loop.until?.aborted) break
    const begun = Math.min(performance.now(), due + 1)
    calls.push(call().then(() => void latenciesMs.push(performance.now() - begun)))
  }
  await Promise.all(calls)
  return latenciesMs
}
