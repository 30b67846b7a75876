// Runs visits, a few at a time, and tells what each found when it is over. However many places there are, what is held is that of those few.

import { type Clock, systemClock } from '../../core/clock.ts'
import type { DoctorEvent } from '../../core/doctor-event.ts'
import { AbortedError } from '../../errors.ts'
import type { DoctorCheck } from './check.ts'
import { type DoctorVisit, visit } from './visit.ts'

/** A place to visit, or something to be told that is known without. */
export type DoctorTask = DoctorVisit | (() => Promise<readonly DoctorEvent[]>)

export interface RunDoctorOptions {
  readonly checks: readonly DoctorCheck[]
  /** Places looked at side by side. Default 4. */
  readonly atOnce?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock | undefined
}

/** @throws {AbortedError} when the signal fires. Whoever stops reading stops it, after the visits that are under way. */
export async function* runDoctor(tasks: AsyncIterable<DoctorTask>, options: RunDoctorOptions): AsyncGenerator<DoctorEvent, void> {
  const { checks, atOnce = 4, signal, clock = systemClock } = options
  yield { kind: 'begin', checks: checks.map(({ stem, level, title, gain, scope, asOf }) => ({ stem, level, title, gain, scope, asOf })) }
  const now = (): Date => new Date(clock.now())
  const running = new Map<number, Promise<Done>>()
  const source = tasks[Symbol.asyncIterator]()
  let begun = 0
  let isOver = false
  try {
    while (true) {
      while (!isOver && running.size < atOnce) {
        if (signal?.aborted) throw new AbortedError('The doctor was stopped. Nothing was changed.')
        const next = await source.next()
        if (next.done === true) isOver = true
        else running.set(begun, perform(begun++, next.value, now))
      }
      if (running.size === 0) return
      const { id, events } = await Promise.race(running.values())
      running.delete(id)
      yield* events
    }
  } finally {
    await Promise.allSettled(running.values())
    await source.return?.()
  }
}

interface Done {
  readonly id: number
  readonly events: readonly DoctorEvent[]
}

async function perform(id: number, task: DoctorTask, now: () => Date): Promise<Done> {
  return { id, events: typeof task === 'function' ? await task() : await visit(task, now) }
}
