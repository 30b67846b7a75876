// What is known to be wrong with releases of PostgreSQL, as far as it concerns who shares a server. A dated list: of what came after it
// says nothing. Source: https://www.postgresql.org/support/security/ and the release notes of each version.

/** When the list was last compared with what could be read; the newest release whose notes are in it is that of 2026-05-14. */
export const vulnerabilitiesAsOf = '2026-11-22'

/**
 * So old the list may be before the doctor says so: minor releases come every three months, on days that are known long before.
 * https://www.postgresql.org/developer/roadmap/
 */
export const listAgeMaxDays = 100

/** The first minor release of each major one that is not affected; a major one that is not named is not affected. */
type FixedIn = Readonly<Partial<Record<15 | 16 | 17 | 18, number>>>

export interface Vulnerability {
  readonly cve: string
  readonly fixedIn: FixedIn
  /** What it gives to whom. */
  readonly gives: string
  /** `error` where whoever may run a statement gets past the policies, or at the server itself. */
  readonly level: 'error' | 'warning'
}

export const vulnerabilities: readonly Vulnerability[] = [
  {
    cve: 'CVE-2026-6473',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'a size that wraps around lets whoever may run a statement write past a buffer in the server',
    level: 'error',
  },
  {
    cve: 'CVE-2026-6637',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'with the module refint, a database user runs code as the server’s operating system user',
    level: 'error',
  },
  {
    cve: 'CVE-2026-6475',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'a server writes files outside the directory of whoever takes a base backup of it',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-6478',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'how long a refusal takes tells of an MD5 password',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-6472',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'a role makes a type in a schema where it may make nothing, and so stands in the search_path of others',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-6479',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
    gives: 'whoever reaches the port stops the server, before logging in',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-6638',
    fixedIn: { 16: 14, 17: 10, 18: 4 },
    gives: 'names in logical replication run SQL on the other side',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-6575',
    fixedIn: { 18: 4 },
    gives: 'a function that restores statistics reads past a buffer in the server',
    level: 'warning',
  },
  {
    cve: 'CVE-2026-2006',
    fixedIn: { 15: 16, 16: 12, 17: 8, 18: 2 },
    gives: 'a crafted text lets a database user run code as the server’s operating system user',
    level: 'error',
  },
  {
    cve: 'CVE-2026-2005',
    fixedIn: { 15: 16, 16: 12, 17: 8, 18: 2 },
    gives: 'with pgcrypto, a crafted ciphertext runs code as the server’s operating system user',
    level: 'error',
  },
  {
    cve: 'CVE-2026-2004',
    fixedIn: { 15: 16, 16: 12, 17: 8, 18: 2 },
    gives: 'with intarray, whoever may create objects runs code as the server’s operating system user',
    level: 'error',
  },
  {
    cve: 'CVE-2026-2003',
    fixedIn: { 15: 16, 16: 12, 17: 8, 18: 2 },
    gives: 'a crafted value shows bytes of the server’s memory',
    level: 'warning',
  },
  {
    cve: 'CVE-2025-12817',
    fixedIn: { 15: 15, 16: 11, 17: 7, 18: 1 },
    gives: 'a role makes statistics in a schema where it may make nothing, and others cannot make theirs',
    level: 'warning',
  },
  {
    cve: 'CVE-2025-8713',
    fixedIn: { 15: 14, 16: 10, 17: 6 },
    gives: 'the planner’s statistics show values of rows that policies and views hide',
    level: 'error',
  },
  {
    cve: 'CVE-2025-8714',
    fixedIn: { 15: 14, 16: 10, 17: 6 },
    gives: 'a dump runs code of its server’s superuser in the client that restores it',
    level: 'warning',
  },
  {
    cve: 'CVE-2025-8715',
    fixedIn: { 15: 14, 16: 10, 17: 6 },
    gives: 'a crafted name of an object runs code when a dump is restored',
    level: 'warning',
  },
  {
    cve: 'CVE-2025-1094',
    fixedIn: { 15: 11, 16: 7, 17: 3 },
    gives: 'quoting in libpq lets invalid text out of its quotes, and so SQL in',
    level: 'warning',
  },
  {
    cve: 'CVE-2024-10976',
    fixedIn: { 15: 9, 16: 5, 17: 1 },
    gives: 'row security below subqueries disregards a change of the role: wrong policies in a reused plan',
    level: 'error',
  },
  {
    cve: 'CVE-2024-10978',
    fixedIn: { 15: 9, 16: 5, 17: 1 },
    gives: 'SET ROLE may reset to another role than the one that was meant',
    level: 'error',
  },
  {
    cve: 'CVE-2024-10979',
    fixedIn: { 15: 9, 16: 5, 17: 1 },
    gives: 'with PL/Perl, environment variables of the server are changed, and code runs',
    level: 'error',
  },
  {
    cve: 'CVE-2024-4317',
    fixedIn: { 15: 7, 16: 3 },
    gives: 'pg_stats_ext shows values of tables that a role may not read',
    level: 'error',
  },
  {
    cve: 'CVE-2023-39418',
    fixedIn: { 15: 4 },
    gives: 'MERGE does not hold to the policies of UPDATE and SELECT',
    level: 'error',
  },
  {
    cve: 'CVE-2023-2455',
    fixedIn: { 15: 3 },
    gives: 'row security disregards a change of the role after inlining: wrong policies are applied',
    level: 'error',
  },
  {
    cve: 'CVE-2023-2454',
    fixedIn: { 15: 3 },
    gives: 'with CREATE on the database, a role’s schema escapes the search_path of functions and runs code as a superuser',
    level: 'error',
  },
]

/** The oldest major release that is maintained, and since when the one before is not. */
export const oldestMaintained = { major: 15, since: '2026-11-12' } as const

/** Those that a release has. @param version `server_version_num`: 180004 is 18.4. */
export function vulnerabilitiesOf(version: number): readonly Vulnerability[] {
  const major = Math.floor(version / 10_000)
  const minor = version % 10_000
  return vulnerabilities.filter(({ fixedIn }) => minor < (fixedIn[major as keyof FixedIn] ?? 0))
}

/** The first minor release of that major one without any of them. */
export function repairedIn(version: number): string | undefined {
  const major = Math.floor(version / 10_000)
  const minors = vulnerabilities.flatMap(({ fixedIn }) => fixedIn[major as keyof FixedIn] ?? [])
  return minors.length === 0 ? undefined : `${major}.${Math.max(...minors)}`
}
