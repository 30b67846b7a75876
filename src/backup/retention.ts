// Which backups are kept: the last few, and of each day, week, month and year the last one, as far back as is asked
// (grandfather, father, son). The newest that is known to be good is always kept, whatever the rule says.

import { ConfigurationError } from '../errors.ts'

/** How many of each are kept. What is not named keeps none of its own; a rule that names nothing keeps everything. */
export interface RetentionRule {
  /** The newest ones, however far apart. */
  readonly last?: number | undefined
  /** The newest of each of the last days (UTC) on which there is one. */
  readonly daily?: number | undefined
  /** Weeks begin on Monday (ISO 8601). */
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
}

/** A backup, as far as it matters here. */
export interface KeepCandidate {
  readonly id: string
  readonly createdAt: Date
}

/** Why a backup is kept. */
export interface Kept {
  readonly id: string
  readonly because: readonly (keyof RetentionRule | 'last good')[]
}

const kinds = ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const
const countMax = 10_000

/** @throws {ConfigurationError} for counts that are not whole numbers from 0 to 10,000, and for names that there are not. */
export function checkedRetention(rule: unknown, where = 'retention'): RetentionRule {
  if (typeof rule !== 'object' || rule === null) throw new ConfigurationError(`${where} must be an object.`)
  for (const [name, count] of Object.entries(rule)) {
    if (!(kinds as readonly string[]).includes(name)) {
      throw new ConfigurationError(`${where}: there is no ${JSON.stringify(name)}. It may have ${kinds.join(', ')}.`)
    }
    if (count !== undefined && !(Number.isInteger(count) && count >= 0 && count <= countMax)) {
      throw new ConfigurationError(`${where}.${name} must be a whole number, 0 to ${countMax}.`)
    }
  }
  return rule
}

/**
 * Which backups of one tenant are kept. All others may be deleted.
 *
 * @param good whether a backup is whole, as far as is known. Those that are not do not stand for a day, a week or a month: the next
 * older one that is good does. If nothing else keeps one, the newest good one is kept.
 */
export function keptBackups(
  backups: readonly KeepCandidate[],
  rule: RetentionRule,
  good: (backup: KeepCandidate) => boolean = () => true,
): readonly Kept[] {
  const reasons = new Map<string, (keyof RetentionRule | 'last good')[]>()
  const keep = (id: string, because: keyof RetentionRule | 'last good'): void => {
    reasons.set(id, [...(reasons.get(id) ?? []), because])
  }
  const newestFirst = [...backups].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1))
  const usable = newestFirst.filter(good)
  const isUnlimited = kinds.every((kind) => rule[kind] === undefined)
  for (const kind of kinds) {
    const count = isUnlimited && kind === 'last' ? Number.POSITIVE_INFINITY : (rule[kind] ?? 0)
    for (const { id } of newestOfEach(usable, kind, count)) keep(id, kind)
  }
  const lastGood = usable[0]
  if (lastGood !== undefined && !reasons.has(lastGood.id)) keep(lastGood.id, 'last good')
  return [...reasons].map(([id, because]) => ({ id, because }))
}

function newestOfEach(newestFirst: readonly KeepCandidate[], kind: keyof RetentionRule, count: number): readonly KeepCandidate[] {
  const found = new Map<string, KeepCandidate>()
  for (const backup of newestFirst) {
    const period = periodOf(backup, kind)
    if (found.has(period)) continue
    if (found.size >= count) break
    found.set(period, backup)
  }
  return [...found.values()]
}

function periodOf({ id, createdAt }: KeepCandidate, kind: keyof RetentionRule): string {
  switch (kind) {
    case 'last':
      return id
    case 'daily':
      return createdAt.toISOString().slice(0, 10)
    case 'weekly':
      return mondayOf(createdAt)
    case 'monthly':
      return createdAt.toISOString().slice(0, 7)
    case 'yearly':
      return createdAt.toISOString().slice(0, 4)
  }
}

const dayMs = 86_400_000

function mondayOf(date: Date): string {
  const daysSinceMonday = (date.getUTCDay() + 6) % 7
  return new Date(date.getTime() - daysSinceMonday * dayMs).toISOString().slice(0, 10)
}
