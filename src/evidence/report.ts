// An evidence report: sentences that a customer's security team can read, and behind each one what was looked at, when, and what it said.

import type { Isolation } from '../core/placement.ts'
import type { TenantId, TenantSlug } from '../core/tenant.ts'
import type { Control } from './controls.ts'
import type { ProofSource } from './proof-source.ts'

/**
 * `passed`: looked at now, and as it should be. `failed`: looked at now, and not. `told`: a fact, neither good nor bad. `not_present`: the
 * part does not exist in this installation. `not_seen`: it could not be looked at, and why. Nothing that was not looked at has passed.
 */
export type EvidenceVerdict = 'passed' | 'failed' | 'told' | 'not_present' | 'not_seen'

/** One sentence. */
export interface EvidenceStatement {
  /** Names it from report to report. */
  readonly id: string
  /** For a person who is not an engineer. */
  readonly text: string
  readonly verdict: EvidenceVerdict
  readonly proof: EvidenceProof
  /** Controls that it speaks to, by number: `SOC 2 CC6.1`, `ISO 27001:2022 A.8.3`. Something to look at for who judges them, and no judgement. */
  readonly controls: readonly Control[]
}

/** What is behind a sentence. */
export interface EvidenceProof {
  /** What was run: a command, the name of a probe. */
  readonly by: ProofSource
  /** When it was run. ISO 8601, UTC. */
  readonly at: string
  /** What it said: counts, findings, names. One line each. */
  readonly details: readonly string[]
}

/** One of the questions that every security team asks. */
export interface EvidenceSection {
  readonly id: 'isolated' | 'accessed' | 'engineers' | 'neighbours' | 'where' | 'checklist'
  readonly question: string
  readonly statements: readonly EvidenceStatement[]
}

/** The whole report. */
export interface EvidenceReport {
  readonly version: 1
  readonly tenant: {
    readonly id: TenantId
    readonly slug: TenantSlug
    readonly name: string
    readonly isolation: Isolation
    readonly region: string
  }
  /** ISO 8601, UTC. */
  readonly generatedAt: string
  /** From when on what has happened is told. ISO 8601, UTC. */
  readonly since: string
  readonly partywall: string
  readonly sections: readonly EvidenceSection[]
}

/** How many sentences of each verdict. */
export function tally(report: EvidenceReport): Readonly<Record<EvidenceVerdict, number>> {
  const counts = { passed: 0, failed: 0, told: 0, not_present: 0, not_seen: 0 }
  for (const { statements } of report.sections) for (const { verdict } of statements) counts[verdict] += 1
  return counts
}
