// What a team knows of and has decided to live with for a while: partywall.doctor.json. Each entry names one finding, says why, and ends.
//
//   { "silences": [{ "key": "app-can-become:main:staff", "reason": "Ticket 4711: gone with the old portal", "expires": "2027-03-31" }] }

import type { DoctorFinding, DoctorPlace } from '../core/doctor-finding.ts'
import { brokenSilence } from '../core/doctor-own-rules.ts'
import { ConfigurationError } from '../errors.ts'

/** One finding that is known. */
export interface Silence {
  /** That of the finding. */
  readonly key: string
  readonly reason: string
  /** The last day on which it is silent, as `2027-03-31`, in UTC. */
  readonly expires: string
}

/** A silence as it was written, which may lack what it must have. */
export type WrittenSilence = Partial<Silence> & Pick<Silence, 'key'>

/**
 * Reads a baseline. A reason or a day that is missing is no error here: such an entry silences nothing, and is reported.
 *
 * @param name Of the file, for the message.
 * @throws {ConfigurationError} when it is not JSON, or not of that shape.
 */
export function parseSilences(text: string, name: string): readonly WrittenSilence[] {
  const value = parsed(text, name)
  const { silences, ...others } = isObject(value) ? value : { silences: undefined }
  if (!Array.isArray(silences)) throw new ConfigurationError(`${name} must be an object with silences, a list.`)
  refuseKeys(others, name)
  return silences.map((entry: unknown, at): WrittenSilence => {
    const path = `${name}: silences[${at}]`
    if (!isObject(entry)) throw new ConfigurationError(`${path} must be an object.`)
    const { key, reason, expires, ...strange } = entry
    refuseKeys(strange, path)
    if (typeof key !== 'string' || key === '') throw new ConfigurationError(`${path} has no key: that of the finding.`)
    for (const [field, given] of Object.entries({ reason, expires })) {
      if (given !== undefined && typeof given !== 'string') throw new ConfigurationError(`${path}: ${field} must be a text.`)
    }
    return { key, ...(reason !== undefined && { reason: String(reason) }), ...(expires !== undefined && { expires: String(expires) }) }
  })
}

/** The text of a baseline: what `parseSilences` reads. In the order of the keys, so that a change of it reads well. */
export function writeSilences(silences: readonly Silence[]): string {
  const sorted = [...silences].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, reason, expires }) => ({ key, reason, expires }))
  return `${JSON.stringify({ silences: sorted }, null, 2)}\n`
}

/** Is it a day that there is, written as 2027-03-31? */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

/** What a silence lacks: undefined when it holds. */
export function flawOf({ key, reason = '', expires }: WrittenSilence, now: Date): SilenceFlaw | undefined {
  if (reason.trim() === '') return { key, level: 'warning', problem: `The silence of ${key} gives no reason, and silences nothing.` }
  if (expires === undefined || !isDay(expires)) {
    return { key, level: 'warning', problem: `The silence of ${key} names no day on which it ends, as 2027-03-31, and silences nothing.` }
  }
  if (expires < now.toISOString().slice(0, 10)) {
    return { key, level: 'warning', problem: `The silence of ${key} ended on ${expires}. Its reason was: ${reason}` }
  }
  return undefined
}

export interface SilenceFlaw {
  readonly key: string
  readonly level: 'warning' | 'note'
  readonly problem: string
}

/** What a flaw is in a report. It is about the baseline and no place; the place of its key says which finding is meant. */
export function flawFinding({ key, level, problem }: SilenceFlaw, at: DoctorPlace): DoctorFinding {
  return {
    check: brokenSilence.stem,
    level,
    at,
    object: key,
    problem,
    gain: brokenSilence.gain,
    fix: null,
    fixAs: 'owner',
    isFixSafe: false,
    key: `${brokenSilence.stem}:${key}`,
  }
}

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ConfigurationError(`${name} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function refuseKeys(strange: object, path: string): void {
  const [key] = Object.keys(strange)
  if (key !== undefined && key !== '$schema') throw new ConfigurationError(`${path}: there is no ${JSON.stringify(key)}.`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
