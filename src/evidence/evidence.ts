// Evidence of one tenant's isolation: collects what can be seen now, makes a report of it, and signs it.

import type { Actor } from '../core/actor.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import type { Clock } from '../core/clock.ts'
import type { SecretStore } from '../core/secret-store.ts'
import type { Tenant } from '../core/tenant.ts'
import { certificateKey } from '../operations/certificate-key.ts'
import { buildReport } from './build-report.ts'
import type { AttackReport, EvidenceFacts, Seen } from './facts.ts'
import { type SignedEvidence, signEvidence } from './signature.ts'

/** What is looked at, part by part. What throws could not be seen; what is missing, or answers undefined, is not present. */
export type EvidenceSources = {
  readonly [Part in Exclude<keyof EvidenceFacts, 'tenant' | 'attacks'>]?:
    | ((tenant: Tenant, since: Date) => Promise<ValueOf<EvidenceFacts[Part]> | undefined>)
    | undefined
} & {
  /** The one part that is not looked at now: somebody tried it before, and says when. */
  readonly attacks?: ((tenant: Tenant, since: Date) => Promise<AttackReport | undefined>) | undefined
}

type ValueOf<S> = Extract<S, { readonly kind: 'seen'; readonly value: unknown }>['value']

export interface EvidenceParts {
  readonly sources: EvidenceSources
  /** Has the key that signs; it is made when there is none. */
  readonly secrets: SecretStore
  readonly auditTrail: AuditTrail
  readonly clock: Clock
  readonly partywall: string
}

export interface EvidenceOptions {
  /** From when on accesses, grants and moves are told. Default: 90 days ago. */
  readonly since?: Date | undefined
  readonly actor?: Actor | undefined
  /** Parts that this process can look at and the fleet cannot: what its self-check tried, live canaries. */
  readonly sources?: EvidenceSources | undefined
}

const sinceDefaultMs = 90 * 86_400_000

/** What is said of a part that nobody looks at. */
const absent: Readonly<Record<Exclude<keyof EvidenceFacts, 'tenant'>, string>> = {
  place: 'The placement is not looked at here.',
  doctor: 'No examination of the configuration is part of this installation.',
  neighbour: 'No probe is part of this installation.',
  canaries: 'They run where the application starts; this process has not its login.',
  roles: 'The roles are not looked at here.',
  audit: 'No audit log of accesses is kept.',
  grants: 'There are no break-glass grants.',
  limits: 'The limits are not looked at here.',
  backups: 'No store of backups is configured.',
  moves: 'Moves are not looked at here.',
  attacks: 'No report of attacks was given: run the isolation kit, and pass its report.',
}

export class Evidence {
  readonly #parts: EvidenceParts

  constructor(parts: EvidenceParts) {
    this.#parts = parts
  }

  /**
   * Looks at everything now, and signs what was seen. That it was made is in the audit trail.
   *
   * @throws {ConfigurationError} when the secret store has something else in the place of the key that signs.
   */
  async report(tenant: Tenant, options: EvidenceOptions = {}): Promise<SignedEvidence> {
    const { clock, partywall, auditTrail } = this.#parts
    const since = options.since ?? new Date(clock.now() - sinceDefaultMs)
    const facts = await this.#facts(tenant, since, { ...this.#parts.sources, ...options.sources })
    const report = buildReport(facts, { now: new Date(clock.now()), since, partywall })
    const key = await certificateKey(this.#parts.secrets)
    await auditTrail.record({
      action: 'evidence.reported',
      outcome: 'allowed',
      actor: options.actor,
      tenantId: tenant.id,
      requestId: undefined,
      reason: undefined,
    })
    return await signEvidence(report, key)
  }

  async #facts(tenant: Tenant, since: Date, sources: EvidenceSources): Promise<EvidenceFacts> {
    const see = async <T>(
      part: keyof EvidenceSources,
      source: ((tenant: Tenant, since: Date) => Promise<T | undefined>) | undefined,
    ): Promise<Seen<T>> => {
      if (source === undefined) return { kind: 'not_present', why: absent[part] }
      try {
        const value = await source(tenant, since)
        if (value === undefined) return { kind: 'not_present', why: absent[part] }
        return { kind: 'seen', value, at: new Date(this.#parts.clock.now()) }
      } catch (error) {
        return { kind: 'not_seen', why: error instanceof Error ? error.message : String(error) }
      }
    }
    // One after another: a report is no reason to disturb anybody.
    return {
      tenant,
      place: await see('place', sources.place),
      doctor: await see('doctor', sources.doctor),
      neighbour: await see('neighbour', sources.neighbour),
      canaries: await see('canaries', sources.canaries),
      roles: await see('roles', sources.roles),
      audit: await see('audit', sources.audit),
      grants: await see('grants', sources.grants),
      limits: await see('limits', sources.limits),
      backups: await see('backups', sources.backups),
      moves: await see('moves', sources.moves),
      attacks: asOfThen(await see('attacks', sources.attacks), since),
    }
  }
}

/** Attacks from before the time that is reported on tell nothing of it. */
function asOfThen(report: Seen<AttackReport>, since: Date): EvidenceFacts['attacks'] {
  if (report.kind !== 'seen') return report
  const { at, attempts } = report.value
  if (at >= since) return { kind: 'seen', at, value: attempts }
  return { kind: 'not_seen', why: `The report of attacks is of ${at.toISOString()}: run the isolation kit again.` }
}
