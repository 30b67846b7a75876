// A check of the doctor: reads PostgreSQL's catalogs and partywall's own tables, never a tenant's row.

import type { DoctorLevel } from '../../core/doctor-finding.ts'
import type { ControlConnection } from '../control-pool.ts'

/** One check. The file, its test and its page in docs/reference/doctor have the name `stem`. */
export interface DoctorCheck {
  readonly stem: string
  /** That of its findings, unless one says otherwise. */
  readonly level: DoctorLevel
  /** What is wrong when it finds something, in a few words. */
  readonly title: string
  /** What an attacker gains, in a sentence or two. */
  readonly gain: string
  /** `server`: once a server. `database`: in each database that holds tenants. `catalog`: in the catalog's database alone. */
  readonly scope: 'server' | 'database' | 'catalog'
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

/** For most checks: one statement with the columns object, problem, fix and perhaps fixAs, isFixSafe, level. `$1` is the app's login. */
export function bySql(check: Omit<DoctorCheck, 'find'>, text: string): DoctorCheck {
  return { ...check, find: ({ control, appRole }) => control.query<Said>(text, [appRole]) }
}
