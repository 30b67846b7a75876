// What a fleet can show of a tenant: the sources of its evidence, joined.

import type { FleetAudit } from './audit/fleet-audit.ts'
import type { FleetBackups } from './backup/fleet-backups.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import { clockSkewMs } from './core/break-glass.ts'
import type { Catalog } from './core/catalog.ts'
import type { Clock } from './core/clock.ts'
import type { Isolation } from './core/placement.ts'
import type { PlacementAdapter } from './core/placement-adapter.ts'
import type { Plans } from './core/plans.ts'
import type { SecretStore } from './core/secret-store.ts'
import type { Tenant } from './core/tenant.ts'
import { collectReport } from './doctor/report.ts'
import { Evidence } from './evidence/evidence.ts'
import type { DoctorEvidence, GrantEvidence } from './evidence/facts.ts'
import { backupsSeen, grantsSeen, grantsSince, movesSince } from './evidence/history.ts'
import { auditEvidence, grantsInLog } from './fleet-audit.ts'
import type { BreakGlass } from './operations/break-glass.ts'
import type { Moves } from './operations/moves/moves.ts'
import { partywallVersion } from './partywall-version.ts'
import type { ControlPool } from './postgres/control-pool.ts'
import { examineFleet } from './postgres/doctor/fleet-doctor.ts'
import { evidenceSources } from './postgres/evidence/evidence-sources.ts'
import { grantsInTrail } from './postgres/evidence/grants-in-trail.ts'
import type { FleetConnections } from './postgres/fleet-connections.ts'

export interface FleetEvidenceParts {
  readonly reader: ControlPool
  /** The migrator's, in the catalog. */
  readonly writer: ControlPool
  readonly connections: FleetConnections
  readonly catalog: Catalog
  readonly placements: (isolation: Isolation) => PlacementAdapter
  readonly plans: Plans
  readonly moves: Pick<Moves, 'list'>
  readonly breakGlass: Pick<BreakGlass, 'list'>
  readonly backups: FleetBackups | undefined
  readonly audit: FleetAudit
  readonly secrets: SecretStore
  readonly auditTrail: AuditTrail
  readonly clock: Clock
}

export function fleetEvidence(parts: FleetEvidenceParts): Evidence {
  const { reader, connections, placements, plans, moves, backups, secrets, auditTrail, clock } = parts
  return new Evidence({
    sources: {
      ...evidenceSources({ reader, connections, placements, plans }),
      doctor: (tenant) => examined(parts, tenant),
      audit: async (tenant, since) => await auditEvidence(parts.audit, tenant, since),
      grants: (tenant, since) => grantsOf(parts, tenant, since),
      moves: async ({ id }, since) => movesSince(await moves.list({ tenantId: id, limit: 1_000 }), since),
      backups: backups === undefined ? undefined : async ({ id }) => backupsSeen((await backups.backups.list(id)).backups),
    },
    secrets,
    auditTrail,
    clock,
    partywall: partywallVersion(),
  })
}

/** The grants, and what is recorded of those that were used. */
async function grantsOf({ breakGlass, audit, writer }: FleetEvidenceParts, tenant: Tenant, since: Date): Promise<readonly GrantEvidence[]> {
  const grants = grantsSince(await breakGlass.list({ tenantId: tenant.id, limit: 1_000 }), since)
  const asked = grants.filter(({ openedAt }) => openedAt !== undefined).map(({ requestedAt }) => requestedAt.getTime())
  if (asked.length === 0) return grantsSeen(grants, { trail: new Map(), log: undefined })
  // From before the first of them was asked for, by whatever clock: one of them may be older than what the report tells of.
  const log = await grantsInLog(audit, tenant, new Date(Math.min(...asked) - clockSkewMs))
  return grantsSeen(grants, { trail: await grantsInTrail(writer, tenant.id), log })
}

/** The tenant's server and database, and the catalog. */
async function examined(parts: FleetEvidenceParts, { placement }: Tenant): Promise<DoctorEvidence> {
  const events = examineFleet(parts, {
    isWanted: ({ server, database }) => server === placement.server && (database === null || database === placement.database),
    atOnce: 1,
  })
  const { checks, findings, unseen } = await collectReport(events, { silences: [], now: new Date(parts.clock.now()) })
  return { checks: checks.map(({ stem }) => stem), findings, unseen: unseen.map(({ what, why }) => `${what}: ${why}`) }
}
