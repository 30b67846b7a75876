// When a schedule is next, and what becomes of one that is due.

import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { v7 as uuidv7 } from 'uuid'
import { InvalidInputError } from '../../errors.ts'
import type { JobSchedule, JobStore } from './job-store.ts'

/** What says when. */
export interface ScheduleTimes {
  readonly cron: string
  readonly timeZone: string
  readonly jitterMs: number
}

/**
 * The next time after `after`. The jitter is the same each time, by the tenant and the key: a schedule of every night at two runs for each
 * tenant at its own moment after two.
 *
 * @throws {InvalidInputError} for a pattern or a zone that cannot be, or one that never comes.
 */
export function nextTime({ cron, timeZone, jitterMs }: ScheduleTimes, seed: string, after: Date): Date {
  const offsetMs = Math.floor((createHash('sha256').update(seed).digest().readUInt32BE(0) / 2 ** 32) * jitterMs)
  const next = nextRun(cron, timeZone, new Date(after.getTime() - offsetMs))
  if (next === null) throw new InvalidInputError(`The schedule ${JSON.stringify(cron)} never comes.`)
  return new Date(next.getTime() + offsetMs)
}

function nextRun(cron: string, timeZone: string, after: Date): Date | null {
  try {
    return new Cron(cron, { timezone: timeZone, paused: true }).nextRun(after)
  } catch (error) {
    throw new InvalidInputError(
      `${JSON.stringify(cron)} in ${JSON.stringify(timeZone)} is no schedule: five fields of cron and an IANA zone.`,
      {
        cause: error,
      },
    )
  }
}

/** What marks a schedule's job: while one waits or runs, no other is enqueued. */
export function scheduleDedupeKey(key: string): string {
  return `schedule:${key}`
}

/** Enqueues what is due, once, however often its time has come meanwhile. One that cannot be does not keep the others. */
export async function advanceSchedules(
  store: JobStore,
  { tenantId, now, onError }: { readonly tenantId: string; readonly now: Date; readonly onError: (error: unknown, name: string) => void },
): Promise<void> {
  for (const schedule of await store.schedules({ areDue: true })) {
    try {
      await advance(store, tenantId, schedule, now)
    } catch (error) {
      onError(error, schedule.name)
    }
  }
}

async function advance(store: JobStore, tenantId: string, schedule: JobSchedule, now: Date): Promise<void> {
  const { key, name, envelope, attemptsMax, retryPauseMs, nextAt } = schedule
  // Never the same time again, also by a clock that is behind the database's.
  const after = new Date(Math.max(now.getTime(), nextAt.getTime()))
  await store.advance(
    schedule,
    {
      id: uuidv7(),
      name,
      envelope,
      runAt: undefined,
      delayMs: 0,
      dedupeKey: scheduleDedupeKey(key),
      attemptsMax,
      retryPauseMs,
    },
    nextTime(schedule, `${tenantId} ${key}`, after),
  )
}
