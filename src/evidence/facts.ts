// What a report is made of. Whoever collects it says of every part whether it was seen; a report is then words about it.

import type { GrantState } from '../core/break-glass.ts'
import type { DoctorFinding } from '../core/doctor-finding.ts'
import type { PlacementFacts, PlacementFinding } from '../core/placement-adapter.ts'
import type { Tenant } from '../core/tenant.ts'

/** A part that was looked at, does not exist, or could not be looked at. */
export type Seen<T> =
  | { readonly kind: 'seen'; readonly at: Date; readonly value: T }
  | { readonly kind: 'not_present'; readonly why: string }
  | { readonly kind: 'not_seen'; readonly why: string }

export interface EvidenceFacts {
  readonly tenant: Tenant
  readonly place: Seen<PlaceEvidence>
  readonly doctor: Seen<DoctorEvidence>
  readonly neighbour: Seen<NeighbourProbe>
  readonly canaries: Seen<readonly { readonly rule: string; readonly problem: string }[]>
  readonly roles: Seen<readonly RoleWithPath[]>
  readonly audit: Seen<AuditEvidence>
  readonly grants: Seen<readonly GrantEvidence[]>
  readonly limits: Seen<LimitsEvidence>
  readonly backups: Seen<readonly BackupEvidence[]>
  readonly moves: Seen<readonly MoveEvidence[]>
  /** What the application's own tests or its self-check tried, from a report of the isolation kit. */
  readonly attacks: Seen<readonly AttackEvidence[]>
}

export interface PlaceEvidence {
  readonly facts: PlacementFacts
  readonly findings: readonly PlacementFinding[]
  readonly server: { readonly name: string; readonly region: string }
  /** Tenants beside this one: in its database, and on its server. */
  readonly besides: { readonly inDatabase: number; readonly onServer: number }
}

export interface DoctorEvidence {
  /** Checks that were run. */
  readonly checks: readonly string[]
  /** Of the tenant's server and database. */
  readonly findings: readonly DoctorFinding[]
  /** What it could not see. */
  readonly unseen: readonly string[]
}

/** What a neighbour, with the rights of the application and a capability of its own, got of the tenant's rows. */
export interface NeighbourProbe {
  readonly tables: readonly {
    readonly name: string
    /** The tenant's, by the owner's count. */
    readonly rows: number
    readonly attempts: readonly NeighbourAttempt[]
  }[]
}

/** `refused` by the database; `nothing` of the tenant's was to be seen; `void`: it could not be tried, which proves nothing. */
export interface NeighbourAttempt {
  readonly what: string
  readonly outcome: 'refused' | 'nothing' | 'leaked' | 'void'
  readonly got: string
}

/** A role of the server that sees rows whatever the policies say, or can make itself see them. */
export interface RoleWithPath {
  readonly role: string
  readonly canLogIn: boolean
  /** `superuser`, `bypasses policies`, `owns the tables`, … */
  readonly path: string
}

export interface AuditEvidence {
  readonly entries: number
  readonly byAction: Readonly<Record<string, number>>
  readonly refused: number
  readonly actors: number
  /** What the verification of the chain said. */
  readonly verification: { readonly isIntact: boolean; readonly details: readonly string[] }
}

export interface GrantEvidence {
  readonly by: string
  /** Who approved or denied it; null while nobody has, and when nobody ever did. */
  readonly decidedBy: string | null
  readonly reason: string
  readonly ticket: string
  readonly scope: string
  /** When it was used first; null if it never was. */
  readonly openedAt: Date | null
  /** When its minutes are over; null of one that nobody approved. */
  readonly expiresAt: Date | null
  /** When it was given back, taken back, or found to be over; null before. */
  readonly endedAt: Date | null
  readonly state: GrantState
  /** What the operator's audit trail has of its use: every statement, before it was sent. */
  readonly inTrail: GrantRecord
  /** What the tenant's own log has of it; null when the tenant has no log, or the grant was never used. */
  readonly inLog: (GrantRecord & { readonly refused: number }) | null
}

/** What is recorded of the use of a grant. */
export interface GrantRecord {
  /** How often it was opened. */
  readonly uses: number
  readonly statements: number
  /** The first record and the last; null when there is none. */
  readonly between: { readonly first: Date; readonly last: Date } | null
}

export interface LimitsEvidence {
  readonly plan: string
  /** Share of the pool relative to other tenants. */
  readonly weight: number
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
}

export interface BackupEvidence {
  readonly id: string
  readonly at: Date
  readonly verifiedAt: Date | null
  readonly bytes: number
}

export interface MoveEvidence {
  readonly from: string
  readonly to: string
  readonly state: string
  readonly at: Date
}

/** What was tried once, as whoever tried it reports. */
export interface AttackReport {
  /** When it was tried: it is told as of then, and is no evidence of a later time. */
  readonly at: Date
  readonly attempts: readonly AttackEvidence[]
}

export interface AttackEvidence {
  readonly name: string
  readonly door: string
  readonly outcome: 'refused' | 'leaked' | 'void'
}
