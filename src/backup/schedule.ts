// When a tenant's next backup is due. What was made is the only memory: a process that runs from cron needs none of its own.

import { ConfigurationError } from '../errors.ts'

/** Who is backed up how often. The first that fits a tenant counts. */
export interface BackupSchedule {
  /** Plans it is for. Default: all. */
  readonly plans?: readonly string[] | undefined
  /** Time between two backups: `30m`, `6h`, `1d`, `2w`. At least a minute. */
  readonly every: string
}

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const everyPattern = /^([1-9][0-9]{0,4})([mhdw])$/

/** @throws {ConfigurationError} for a time that cannot be read. */
export function everyMs(every: string): number {
  const [, count, unit] = everyPattern.exec(every) ?? []
  if (count === undefined || unit === undefined) {
    throw new ConfigurationError(`every is ${JSON.stringify(every)}; write a number and m, h, d or w, as in "6h".`)
  }
  return Number(count) * unitMs[unit as keyof typeof unitMs]
}

/** @throws {ConfigurationError} for what is no list of schedules. */
export function checkedSchedule(schedule: unknown, where = 'schedule'): readonly BackupSchedule[] {
  if (!Array.isArray(schedule)) throw new ConfigurationError(`${where} must be a list.`)
  for (const [at, given] of schedule.entries()) {
    const { every, plans, ...others } = (given ?? {}) as Readonly<Record<string, unknown>>
    const [stranger] = Object.keys(others)
    if (stranger !== undefined) throw new ConfigurationError(`${where}[${at}]: there is no ${JSON.stringify(stranger)}.`)
    everyMs(String(every))
    const isList = plans === undefined || (Array.isArray(plans) && plans.every((plan) => typeof plan === 'string'))
    if (!isList) throw new ConfigurationError(`${where}[${at}].plans must be a list of plans.`)
  }
  return schedule
}

/**
 * Is a backup due? A run is counted from when the last one began, and a tenth of the time, a quarter of an hour at most, is let go: so
 * that what runs every hour from cron makes an hourly backup in each hour, and not in every second one.
 */
export function isDue(last: Date | undefined, every: string, now: number): boolean {
  if (last === undefined) return true
  const ms = everyMs(every)
  return now - last.getTime() >= ms - Math.min(ms / 10, 900_000)
}

/** The schedule for a tenant's plan; undefined when none is for it. */
export function scheduleOf(plan: string, schedules: readonly BackupSchedule[]): BackupSchedule | undefined {
  return schedules.find(({ plans }) => plans === undefined || plans.includes(plan))
}
