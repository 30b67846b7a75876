// From facts to statements: the one place that decides what a fact is worth.

import type { Control } from './controls.ts'
import type { Seen } from './facts.ts'
import type { ProofSource } from './proof-source.ts'
import type { EvidenceStatement, EvidenceVerdict } from './report.ts'

export interface Words {
  readonly id: string
  /** What was run. */
  readonly by: ProofSource
  readonly controls: readonly Control[]
  /** The sentence when there is nothing to look at. */
  readonly absent: string
}

/** What is said of a part that was looked at. */
export interface Said {
  readonly text: string
  readonly verdict: EvidenceVerdict
  readonly details?: readonly string[] | undefined
}

/** A part that was not looked at has not passed. */
export function statement<T>(seen: Seen<T>, now: Date, { id, by, controls, absent }: Words, say: (value: T) => Said): EvidenceStatement {
  if (seen.kind !== 'seen') {
    return { id, text: absent, verdict: seen.kind, controls, proof: { by, at: now.toISOString(), details: [seen.why] } }
  }
  const { text, verdict, details = [] } = say(seen.value)
  return { id, text, verdict, controls, proof: { by, at: seen.at.toISOString(), details } }
}

/** `1 table`, `2 tables`. */
export function counted(count: number, one: string, more: string = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : more}`
}

/** `41 seconds`, `3 minutes 12 seconds`, `2 hours 5 minutes`: as long as something took. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours > 0) return `${counted(hours, 'hour')} ${counted(minutes % 60, 'minute')}`
  if (minutes > 0) return `${counted(minutes, 'minute')} ${counted(seconds % 60, 'second')}`
  return seconds === 0 ? 'less than a second' : counted(seconds, 'second')
}

/** At most so many lines, and how many more there are. */
export function firstOf(lines: readonly string[], max: number = 20): readonly string[] {
  return lines.length <= max ? lines : [...lines.slice(0, max), `and ${lines.length - max} more`]
}
