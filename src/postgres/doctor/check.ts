// A check of the doctor: reads PostgreSQL's catalogs and partywall's own tables, never a tenant's row.

import type { CheckFacts } from '../../core/doctor-event.ts'
import type { DoctorLevel } from '../../core/doctor-finding.ts'
import type { ControlConnection } from '../control-pool.ts'

/**
 * One check. The file, its test and its page in docs/reference/doctor have the name `stem`. Its level is that of its findings, unless one
 * says otherwise; its title says what is wrong when it finds something, its gain what an attacker has of it.
 *
 * One of the scope `server` reads what all databases of the server share, and nothing of partywall's: it may be run in any of them.
 * It is run with the search_path `pg_catalog, pg_temp`, in a transaction that is read-only.
 */
export interface DoctorCheck extends CheckFacts {
  find(survey: DoctorSurvey): Promise<readonly Said[]>
}

/** What a check says; the runner adds the rest. */
export interface Said {
  readonly object: string
  readonly problem: string
  readonly fix: string | null
  /** Default `owner`. */
  readonly fixAs?: 'owner' | 'administrator' | undefined
  /** Default false. */
  readonly isFixSafe?: boolean | undefined
  readonly level?: DoctorLevel | undefined
}

/** What a check may look at. */
export interface DoctorSurvey {
  /** A connection to the database, as a role without a privilege on any tenant's table. */
  readonly control: ControlConnection
  /** The login that runs the application's SQL. */
  readonly appRole: string
  /** `server_version_num`: 180004 is 18.4. */
  readonly serverVersion: number
  readonly now: Date
}

/** Rows that are taken of a check's answer: a table with a million broken rows must not fill the doctor's memory. */
export const saidMax = 5_000

/** For most checks: one statement with the columns object, problem, fix and perhaps fixAs, isFixSafe, level. `$1` is the app's login. */
export function bySql(check: Omit<DoctorCheck, 'find'>, text: string): DoctorCheck {
  const bounded = `select * from (\n${text}\n) as said limit ${saidMax}`
  return { ...check, find: ({ control, appRole }) => control.query<Said>(bounded, [appRole]) }
}
