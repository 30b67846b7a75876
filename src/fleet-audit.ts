// The tenants' audit logs as a part of a fleet: with what they are read and signed, and the keeper's part of it.

import type { AnchorStore } from './audit/anchor-store.ts'
import { FleetAudit } from './audit/fleet-audit.ts'
import { LogKeys } from './audit/log-keys.ts'
import { objectAnchors } from './audit/object-anchor-store.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import type { Catalog } from './core/catalog.ts'
import type { Clock } from './core/clock.ts'
import type { SecretStore } from './core/secret-store.ts'
import type { Tenant } from './core/tenant.ts'
import { InvalidInputError } from './errors.ts'
import type { AuditEvidence, GrantEvidence } from './evidence/facts.ts'
import type { GrantRecords } from './evidence/history.ts'
import type { ObjectStore } from './objects/object-store.ts'
import { partywallVersion } from './partywall-version.ts'
import { auditLogReader } from './postgres/audit/log-reader.ts'
import type { FleetConnections } from './postgres/fleet-connections.ts'

/** Where heads of audit logs are kept, and how often. */
export interface AuditSettings {
  /** Out of reach of whoever can write the databases. Default: below `audit/` where backups are kept. */
  readonly anchors?: AnchorStore | undefined
  /** How often `fleet.keep()` anchors every log that has grown, in milliseconds: 60,000 to 86,400,000; default 3,600,000. */
  readonly anchorEveryMs?: number | undefined
}

export interface FleetAuditWiring {
  readonly settings: AuditSettings | undefined
  readonly backups: { readonly store: ObjectStore } | undefined
  readonly connections: FleetConnections
  readonly catalog: Catalog
  readonly secrets: SecretStore
  readonly auditTrail: AuditTrail
  readonly clock: Clock
}

/** @throws {InvalidInputError} when `anchorEveryMs` is out of bounds. */
export function fleetAudit({ settings = {}, backups, connections, catalog, secrets, auditTrail, clock }: FleetAuditWiring): FleetAudit {
  const { anchors = backups && objectAnchors(backups.store), anchorEveryMs = 3_600_000 } = settings
  if (!(anchorEveryMs >= 60_000 && anchorEveryMs <= 86_400_000)) {
    throw new InvalidInputError(`anchorEveryMs is ${anchorEveryMs}; it must be from 60,000 to 86,400,000.`)
  }
  return new FleetAudit({
    source: auditLogReader(connections),
    anchors,
    anchorEveryMs,
    keys: new LogKeys(secrets),
    tenants: catalog,
    auditTrail,
    clock,
    product: partywallVersion(),
  })
}

/** What a report says of a tenant's log. @returns undefined when the tenant has none. */
export async function auditEvidence(audit: FleetAudit, tenant: Tenant, since: Date): Promise<AuditEvidence | undefined> {
  const byAction: Record<string, number> = {}
  const actors = new Set<string>()
  let entries = 0
  let refused = 0
  const hasLog = await audit.list(tenant, { since }, ({ operation, outcome, actor }) => {
    // A statement that was recorded before it was sent has a second entry, with its end.
    if (outcome === 'begun') return
    entries += 1
    if (outcome === 'refused') refused += 1
    byAction[operation] = (byAction[operation] ?? 0) + 1
    actors.add(`${actor.kind} ${actor.id}`)
  })
  const verdict = await audit.verify(tenant)
  // A log that was signed and is not there is told of; one that never was is not.
  if (!hasLog && verdict === undefined) return undefined
  const details = (verdict?.findings ?? []).slice(0, 20).map(({ message }) => message)
  const reach = `Signed outside the database up to row ${verdict?.anchoredTo ?? 0n} of ${verdict?.head ?? 0n}.`
  return {
    entries,
    byAction,
    refused,
    actors: actors.size,
    verification: { isIntact: verdict?.isSound === true, details: [...details, reach] },
  }
}

/**
 * What a tenant's log has of each grant by which its data was opened, by the grant's id.
 *
 * @param since From when on the log is read: before the first of them.
 * @returns undefined when the tenant has no log.
 */
export async function grantsInLog(audit: Pick<FleetAudit, 'list'>, tenant: Tenant, since: Date): Promise<GrantRecords['log']> {
  const records = new Map<string, NonNullable<GrantEvidence['inLog']>>()
  const hasLog = await audit.list(tenant, { since }, ({ grant, at, operation, outcome }) => {
    if (grant === undefined) return
    const known = records.get(grant) ?? { uses: 0, statements: 0, refused: 0, between: null }
    const moment = new Date(at)
    records.set(grant, {
      uses: known.uses + (operation === 'break_glass.open' ? 1 : 0),
      // Whatever is done by a grant is recorded when it begins, and once more when it has ended.
      statements: known.statements + (outcome === 'begun' ? 1 : 0),
      refused: known.refused + (outcome === 'refused' ? 1 : 0),
      between: { first: known.between?.first ?? moment, last: moment },
    })
  })
  return hasLog ? records : undefined
}
