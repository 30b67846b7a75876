// The server's release against a dated list of what is known to be wrong with it.

import type { DoctorCheck, Said } from '../check.ts'
import { listAgeMaxDays, oldestMaintained, repairedIn, vulnerabilitiesAsOf, vulnerabilitiesOf } from '../known-vulnerabilities.ts'

export const vulnerableServer: DoctorCheck = {
  stem: 'vulnerable-server',
  level: 'error',
  title: 'The server’s release has vulnerabilities that are known',
  gain: 'What the vulnerability gives: past policies, at statistics of hidden rows, or code on the server, in which all tenants are.',
  scope: 'server',
  asOf: vulnerabilitiesAsOf,
  async find({ serverVersion, now }) {
    const release = `${Math.floor(serverVersion / 10_000)}.${serverVersion % 10_000}`
    const known = vulnerabilitiesOf(serverVersion).map(({ cve, gives, level }) => ({
      object: cve,
      problem: `PostgreSQL ${release} has ${cve}: ${gives}. It is repaired in ${repairedIn(serverVersion)}; the list is of ${vulnerabilitiesAsOf}.`,
      fix: null,
      fixAs: 'administrator' as const,
      level,
    }))
    const { major, since } = oldestMaintained
    const isMaintained = serverVersion >= major * 10_000 || now.getTime() < Date.parse(since)
    if (isMaintained) return [...known, ...staleList(now)]
    const problem = `PostgreSQL ${release} is not maintained since ${since}: what is found now is not repaired any more.`
    return [...known, { object: `PostgreSQL ${release}`, problem, fix: null, fixAs: 'administrator', level: 'error' }, ...staleList(now)]
  },
}

/** Nothing found by an old list is not nothing: there have been releases since. */
function staleList(now: Date): readonly Said[] {
  const days = Math.floor((now.getTime() - Date.parse(vulnerabilitiesAsOf)) / 86_400_000)
  if (days <= listAgeMaxDays) return []
  const problem = `The list of vulnerabilities is of ${vulnerabilitiesAsOf}, ${days} days ago: of what was repaired since, the doctor knows nothing. Update partywall.`
  return [{ object: 'list of vulnerabilities', problem, fix: null, fixAs: 'administrator', level: 'note' }]
}
