// The ends of one tenant's jobs, on their way to where the queue is: those of a few milliseconds together.

import type { Clock } from '../../core/clock.ts'
import type { HeldJob, JobStore } from './job-store.ts'

/** So long an end may wait for others, to go with them. */
const pauseMs = 5
const retryMs = 1_000

export class JobEnds {
  readonly #clock: Clock
  readonly #holdMs: number
  readonly #onError: (error: unknown) => void
  #waiting: HeldJob[] = []
  #telling: Promise<void> | undefined

  constructor(parts: { readonly clock: Clock; readonly holdMs: number; readonly onError: (error: unknown) => void }) {
    this.#clock = parts.clock
    this.#holdMs = parts.holdMs
    this.#onError = parts.onError
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#telling === undefined
  }

  /** What is being told. */
  get telling(): Promise<void> | undefined {
    return this.#telling
  }

  /** The job is done. What cannot be told while it is held runs again elsewhere. */
  add(job: HeldJob, store: JobStore): void {
    this.#waiting.push(job)
    this.#telling ??= this.#tell(store).finally(() => {
      this.#telling = undefined
    })
  }

  /** Those that wait, to go with something else; when that fails, they go by themselves again. */
  async goWith<T>(store: JobStore, send: (done: readonly HeldJob[]) => Promise<T>): Promise<T> {
    const done = this.#waiting
    this.#waiting = []
    try {
      return await send(done)
    } catch (error) {
      for (const job of done) this.add(job, store)
      throw error
    }
  }

  async #tell(store: JobStore): Promise<void> {
    const until = this.#clock.monotonic() + this.#holdMs
    await pause(pauseMs)
    while (this.#waiting.length > 0) {
      const done = this.#waiting
      this.#waiting = []
      try {
        await store.finish(done)
      } catch (error) {
        this.#onError(error)
        if (this.#clock.monotonic() > until) return
        this.#waiting.push(...done)
        await pause(retryMs)
      }
    }
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
