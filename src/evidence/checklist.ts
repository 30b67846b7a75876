// The list that reviewers bring along, each box ticked by what proved it. A box whose part does not exist is not ticked.

import type { Control } from './controls.ts'
import type { AttackEvidence, EvidenceFacts, Seen } from './facts.ts'
import type { EvidenceSection, EvidenceStatement } from './report.ts'
import { counted, firstOf, statement } from './words.ts'

interface Box {
  readonly id: string
  readonly text: string
  readonly controls: readonly Control[]
  /** How it is ticked: attacks of the self-check that must all have been refused, … */
  readonly attacks?: readonly string[] | undefined
  /** … or all of these of the isolation kit (`partywall kit list`), wherever they were tried, … */
  readonly kit?: readonly string[] | undefined
  /** … a fact, … */
  readonly fact?: ((box: Box, facts: EvidenceFacts, now: Date) => EvidenceStatement) | undefined
  /** … or not at all: what is missing. Beside attacks: what is missing where none of them could be tried, since not every installation has it. */
  readonly missing?: string | undefined
}

const identity: readonly Control[] = ['SOC 2 CC6.1', 'ISO 27001:2022 A.8.5']
const access: readonly Control[] = ['SOC 2 CC6.1', 'ISO 27001:2022 A.8.3']
const logging: readonly Control[] = ['SOC 2 CC7.2', 'ISO 27001:2022 A.8.15']
const monitoring: readonly Control[] = ['SOC 2 CC7.2', 'ISO 27001:2022 A.8.16']

/** Attacks go by the names that the self-check gives them, and by the ids of the isolation kit. A test keeps them in step. */
export const boxes: readonly Box[] = [
  {
    id: 'tenant-from-session',
    text: 'The tenant comes from the authenticated session, never from a header alone',
    controls: identity,
    attacks: [
      'name another tenant in X-Tenant-ID, by slug',
      'name another tenant in X-Tenant-ID, by id',
      "come through another tenant's subdomain",
      'no credential, only the name of the tenant',
    ],
    kit: ['http.hint.x-tenant-id.slug', 'http.hint.x-tenant-id.id', 'http.hint.host.subdomain', 'http.anonymous.named'],
  },
  {
    id: 'tenant-validated',
    text: 'The tenant is validated on every request',
    controls: identity,
    attacks: [
      'a token that names another tenant, not signed (alg none)',
      'a token that names another tenant, signed with a key of ours',
      'a token that names another tenant, with a good signature of another token',
    ],
    kit: ['http.anonymous', 'http.credential.unsigned', 'http.credential.own-key', 'http.credential.own-signature'],
  },
  {
    id: 'admin-endpoints',
    text: 'Admin endpoints need more than a tenant’s session',
    controls: ['SOC 2 CC6.3', 'ISO 27001:2022 A.8.2'],
    missing: 'There is no HTTP API for administration.',
  },
  {
    id: 'api-keys',
    text: 'API keys belong to one tenant',
    controls: identity,
    attacks: ['an API key with another tenant in X-Tenant-ID', 'an API key with one character changed'],
  },
  {
    id: 'queries-filtered',
    text: 'All queries are filtered by tenant',
    controls: access,
    fact: (box, facts, now) =>
      statement(facts.neighbour, now, { ...box, by: 'neighbour probe', absent: box.text }, ({ tables }) => {
        const attempts = tables.flatMap(({ attempts }) => attempts)
        const bad = attempts.filter(({ outcome }) => outcome === 'leaked' || outcome === 'void')
        return {
          text: box.text,
          verdict: bad.some(({ outcome }) => outcome === 'leaked')
            ? 'failed'
            : bad.length > 0 || attempts.length === 0
              ? 'not_seen'
              : 'passed',
          details: [`${counted(attempts.length, 'attempt')} in ${counted(tables.length, 'table')}`],
        }
      }),
  },
  {
    id: 'row-level-security',
    text: 'Row-level security is enabled and forced',
    controls: access,
    fact: (box, facts, now) =>
      statement(facts.place, now, { ...box, by: 'partywall tenant verify', absent: box.text }, ({ findings }) => ({
        text: box.text,
        verdict: findings.length === 0 ? 'passed' : 'failed',
        details: firstOf(findings.map(({ problem }) => problem)),
      })),
  },
  { id: 'cache-keys', text: 'Cache keys carry the tenant', controls: access, kit: ['cache.same-key'] },
  {
    id: 'file-paths',
    text: 'File paths carry the tenant',
    controls: access,
    kit: [
      'files.get',
      'files.list',
      'files.foreign-address',
      'files.up',
      'files.prefix',
      'files.encoded',
      'files.overwrite',
      'files.delete',
    ],
    missing: 'No files of tenants were tried: an application that stores none through partywall has none.',
  },
  {
    id: 'search-scoped',
    text: 'Search is limited to the tenant',
    controls: access,
    attacks: ['find it by searching for its text', 'search with a quote and an OR'],
    kit: ['http.search.q', 'http.search.search', 'read.search.like', 'read.search.words'],
  },
  { id: 'job-context', text: 'Jobs carry the tenant’s context', controls: access, missing: 'There are no jobs.' },
  { id: 'queues', text: 'Queues know tenants', controls: access, missing: 'There are no queues.' },
  { id: 'schedules', text: 'Scheduled tasks run inside a tenant', controls: access, missing: 'There are no schedules.' },
  {
    id: 'webhooks',
    text: 'Webhooks are validated',
    controls: ['SOC 2 CC6.6', 'ISO 27001:2022 A.8.26'],
    missing: 'No webhook was tried: its sender is the application’s own.',
  },
  { id: 'logs-tagged', text: 'Logs carry the tenant', controls: logging, missing: 'Logs are the application’s own.' },
  { id: 'metrics-tagged', text: 'Metrics carry the tenant', controls: monitoring, missing: 'There are no metrics.' },
  { id: 'alerts', text: 'Alerts can be filtered by tenant', controls: monitoring, missing: 'There are no alerts.' },
  {
    id: 'no-personal-data-in-logs',
    text: 'No personal data is in logs',
    controls: ['ISO 27001:2022 A.5.34'],
    missing: 'Logs are the application’s own.',
  },
  {
    id: 'isolated-tests',
    text: 'Tests run in tenants of their own',
    controls: ['ISO 27001:2022 A.8.31', 'ISO 27001:2022 A.8.33'],
    // The kit makes tenants of its own, in databases of its own. The self-check tries those that are there.
    fact: (box, facts, now) => attempted(box, facts.attacks, now, ({ name }) => /^[a-z]+\.\S+$/.test(name)),
  },
  {
    id: 'cross-tenant-tests',
    text: 'Tests that try to cross from one tenant to another exist, and were run',
    controls: ['SOC 2 CC4.1', 'ISO 27001:2022 A.8.29'],
    fact: (box, facts, now) => attempted(box, facts.attacks, now),
  },
  {
    id: 'automated-scans',
    text: 'The configuration is scanned automatically: whenever this report is made, at the least',
    controls: ['SOC 2 CC7.1', 'ISO 27001:2022 A.8.8'],
    fact: (box, facts, now) =>
      statement(facts.doctor, now, { ...box, by: 'partywall doctor', absent: box.text }, ({ checks, findings }) => ({
        text: box.text,
        verdict: checks.length > 0 ? 'passed' : 'not_seen',
        details: [`${counted(checks.length, 'check')}, ${counted(findings.length, 'finding')}`],
      })),
  },
]

/** The list. */
export function checklist(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'checklist',
    question: 'The checklist',
    statements: boxes.map((box) => ticked(box, facts, now)),
  }
}

function ticked(box: Box, facts: EvidenceFacts, now: Date): EvidenceStatement {
  const { id, text, controls, attacks, kit, fact, missing } = box
  if (fact !== undefined) return fact(box, facts, now)
  const sets = [attacks, kit].filter((names) => names !== undefined)
  const isTried = facts.attacks.kind === 'seen' && facts.attacks.value.some(({ name }) => sets.flat().includes(name))
  if (sets.length === 0 || (missing !== undefined && !isTried)) {
    return {
      id,
      text,
      verdict: 'not_present',
      controls,
      proof: { by: 'partywall evidence', at: now.toISOString(), details: [missing ?? ''] },
    }
  }
  return statement(facts.attacks, now, { id, by: 'report of attacks', controls, absent: text }, (all) => {
    const outcomesOf = (name: string): readonly string[] => all.filter((attack) => attack.name === name).map(({ outcome }) => outcome)
    const hasLeaked = sets.flat().some((name) => outcomesOf(name).includes('leaked'))
    // One of the two that tried all of its own is enough: who runs the kit need not run the self-check as well.
    const whole = sets.find((names) => names.every((name) => outcomesOf(name).includes('refused')))
    const shown = whole ?? sets.find((names) => names.some((name) => outcomesOf(name).length > 0)) ?? sets[0] ?? []
    return {
      text,
      verdict: hasLeaked ? 'failed' : whole === undefined ? 'not_seen' : 'passed',
      details: shown.map((name) => `${name}: ${told(outcomesOf(name))}`),
    }
  })
}

/** An attack is tried in many places. */
function told(outcomes: readonly string[]): string {
  const counts = Map.groupBy(outcomes, (outcome) => outcome)
  return (
    [...counts].map(([outcome, each]) => (each.length === 1 ? outcome : `${outcome} in ${each.length} places`)).join(', ') || 'not tried'
  )
}

function attempted(
  { id, text, controls }: Box,
  attacks: Seen<readonly AttackEvidence[]>,
  now: Date,
  counts: (attack: AttackEvidence) => boolean = () => true,
): EvidenceStatement {
  return statement(attacks, now, { id, by: 'report of attacks', controls, absent: text }, (given) => {
    const all = given.filter(counts)
    const numberOf = (wanted: AttackEvidence['outcome']): number => all.filter(({ outcome }) => outcome === wanted).length
    return {
      text,
      // What could not be tried was not run.
      verdict: numberOf('leaked') > 0 ? 'failed' : numberOf('refused') > 0 ? 'passed' : 'not_seen',
      details: [`${counted(all.length, 'attack')} tried, ${numberOf('refused')} refused, ${numberOf('void')} could not be tried`],
    }
  })
}
