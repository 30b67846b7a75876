// What the doctor says of a running system.

/**
 * `error`: a tenant reaches what is another's, or an injected statement would. `warning`: a wall is thinner than it should be, or something
 * leaks a little. `note`: worth knowing. The words are those of SARIF 2.1.0, §3.27.10.
 */
export type DoctorLevel = 'error' | 'warning' | 'note'

/** One thing that is wrong. */
export interface DoctorFinding {
  /** The check that found it: its stem, which is also the name of its page. */
  readonly check: string
  readonly level: DoctorLevel
  /** Where: a server of the catalog and, unless it is the whole server's, a database on it. */
  readonly at: DoctorPlace
  /** What it is about, as SQL would name it. */
  readonly object: string
  readonly problem: string
  /** What an attacker gains by it. */
  readonly gain: string
  /** SQL that mends it; null where a person must decide. */
  readonly fix: string | null
  /** Who may run the SQL: the owner of the tables (the migrator's login), or the administrator of the server. */
  readonly fixAs: 'owner' | 'administrator'
  /** May it be run without thinking: it takes something away that partywall's applications do not use, locks nothing for long, loses no data. */
  readonly isFixSafe: boolean
  /** Names exactly this finding, from run to run: what a baseline silences. */
  readonly key: string
}

export interface DoctorPlace {
  readonly server: string
  readonly database: string | null
}

/** `check:object`, with the place where there is more than one that could be meant. */
export function findingKey(check: string, { server, database }: DoctorPlace, object: string): string {
  return `${check}:${database === null ? server : `${server}/${database}`}:${object}`
}
