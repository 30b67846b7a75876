// One place: the doctor comes in, runs the checks that belong there, and tells what it found. Whatever goes wrong is told too: a place that
// is not looked at, and a check that fails, must never look like a place in which all is well.

import { createHash } from 'node:crypto'
import type { DoctorEvent } from '../../core/doctor-event.ts'
import { type DoctorPlace, findingKey } from '../../core/doctor-finding.ts'
import { checkFailed } from '../../core/doctor-own-rules.ts'
import { AbortedError, ClosedError, DatabaseUnavailableError } from '../../errors.ts'
import type { ControlPool } from '../control-pool.ts'
import { roles } from '../roles.ts'
import { asDoctor } from './as-doctor.ts'
import { type DoctorCheck, type DoctorSurvey, type Said, saidMax } from './check.ts'

/** Lends connections to a place, for as long as `fn` takes. */
export type WayIn = <T>(fn: (control: ControlPool) => Promise<T>) => Promise<T>

export interface DoctorVisit {
  readonly at: DoctorPlace
  readonly checks: readonly DoctorCheck[]
  /** The first that leads there is taken. */
  readonly ways: readonly WayIn[]
}

/** Findings of one check in one place that are told; the others are counted. */
const toldMax = 1_000

/** @returns what is to be told, in the order of the checks. @throws only when it is stopped. */
export async function visit({ at, checks, ways }: DoctorVisit, now: () => Date): Promise<readonly DoctorEvent[]> {
  if (checks.length === 0) return []
  let why = 'There is no way there.'
  for (const way of ways) {
    const events: DoctorEvent[] = []
    try {
      await way((control) => look({ at, checks, control, events, now }))
      return events
    } catch (error) {
      if (isStop(error)) throw error
      why = messageOf(error)
      // It was there, and is gone: what it said until then counts, and another way would say it again.
      if (events.length > 0) return [...events, gap(at, why)]
    }
  }
  return [gap(at, why)]
}

interface Look {
  readonly at: DoctorPlace
  readonly checks: readonly DoctorCheck[]
  readonly control: ControlPool
  readonly events: DoctorEvent[]
  readonly now: () => Date
}

/** @throws when the place cannot be entered, or is lost on the way. */
async function look({ at, checks, control: pool, events, now }: Look): Promise<void> {
  const facts = await asDoctor(pool, async (control) => {
    const [row] = await control.query<{ version: number; settings: boolean }>(
      `select current_setting('server_version_num')::int as version, pg_has_role('pg_read_all_settings', 'usage') as settings`,
    )
    return row!
  })
  if (at.database === null && !facts.settings) events.push(hiddenSettings(at))
  for (const check of checks) {
    try {
      const survey = (control: DoctorSurvey['control']): DoctorSurvey => ({
        control,
        appRole: roles.app,
        serverVersion: facts.version,
        now: now(),
      })
      events.push(...told(check, at, await asDoctor(pool, (control) => check.find(survey(control)))))
    } catch (error) {
      if (isStop(error) || error instanceof DatabaseUnavailableError) throw error
      events.push(failed(check, at, messageOf(error)))
    }
  }
  events.push({ kind: 'looked', at })
}

function told(check: DoctorCheck, at: DoctorPlace, said: readonly Said[]): readonly DoctorEvent[] {
  const shared = repeated(said.map(({ object }) => object))
  const events = said.slice(0, toldMax).map((one): DoctorEvent => {
    const { object, problem, fix, fixAs = 'owner', isFixSafe = false, level = check.level } = one
    // Two things about one object are two findings: whoever silences one of them must not silence the other.
    const named = shared.has(object) ? `${object}:${createHash('sha256').update(problem).digest('hex').slice(0, 8)}` : object
    const key = findingKey(check.stem, at, named)
    return { kind: 'finding', finding: { check: check.stem, level, at, object, problem, gain: check.gain, fix, fixAs, isFixSafe, key } }
  })
  if (said.length <= toldMax) return events
  const more = `${said.length >= saidMax ? 'at least ' : ''}${said.length - toldMax}`
  const what = `${more} further findings of ${check.stem}`
  return [...events, { kind: 'unseen', unseen: { kind: 'limit', at, what, why: `Of one check, ${toldMax} are told in one place.` } }]
}

function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.has(name) || !seen.add(name)))
}

function failed(check: DoctorCheck, at: DoctorPlace, message: string): DoctorEvent {
  return {
    kind: 'finding',
    finding: {
      check: checkFailed.stem,
      level: checkFailed.level,
      at,
      object: check.stem,
      problem: `The check ${check.stem} could not be made: ${message}`,
      gain: checkFailed.gain,
      fix: null,
      fixAs: 'administrator',
      isFixSafe: false,
      key: findingKey(checkFailed.stem, at, check.stem),
    },
  }
}

function gap(at: DoctorPlace, why: string): DoctorEvent {
  const what = at.database === null ? `the server ${at.server}` : `the database ${at.database} on the server ${at.server}`
  return { kind: 'unseen', unseen: { kind: 'gap', at, what, why } }
}

function hiddenSettings(at: DoctorPlace): DoctorEvent {
  return {
    kind: 'unseen',
    unseen: {
      kind: 'limit',
      at,
      what: 'settings that PostgreSQL shows to few',
      why: `Whoever installed partywall could not grant pg_read_all_settings to ${roles.doctor}. An administrator can: grant pg_read_all_settings to ${roles.doctor};`,
    },
  }
}

function isStop(error: unknown): boolean {
  return error instanceof AbortedError || error instanceof ClosedError
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
