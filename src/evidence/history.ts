// What has happened to a tenant, in the words of a report.

import type { Backup } from '../backup/backup-listing.ts'
import type { Grant } from '../core/break-glass.ts'
import type { Move } from '../core/move.ts'
import type { Placement } from '../core/placement.ts'
import type { BackupEvidence, GrantEvidence, GrantRecord, MoveEvidence } from './facts.ts'

/** The moves that were under way at that moment or later, the newest first. */
export function movesSince(moves: readonly Move[], since: Date): readonly MoveEvidence[] {
  return moves
    .filter(({ finishedAt }) => finishedAt === undefined || finishedAt >= since)
    .map(({ source, target, state, createdAt }) => ({ from: named(source), to: named(target), state, at: createdAt }))
}

/** Grants that were asked for at that moment or later, or were still good then, whatever became of them. */
export function grantsSince(grants: readonly Grant[], since: Date): readonly Grant[] {
  return grants.filter(({ requestedAt, expiresAt }) => (expiresAt ?? requestedAt) >= since)
}

/** What is recorded of grants, by their ids. What is in neither map has nothing recorded. */
export interface GrantRecords {
  readonly trail: ReadonlyMap<string, GrantEvidence['inTrail']>
  /** Undefined when the tenant has no log of its own. */
  readonly log: ReadonlyMap<string, NonNullable<GrantEvidence['inLog']>> | undefined
}

const nothing: GrantRecord = Object.freeze({ uses: 0, statements: 0, between: null })

export function grantsSeen(grants: readonly Grant[], { trail, log }: GrantRecords): readonly GrantEvidence[] {
  return grants.map(({ id, requestedBy, decidedBy, reason, ticket, scope, openedAt, expiresAt, endedAt, state }) => ({
    ...{ by: requestedBy, decidedBy: decidedBy ?? null, reason, ticket, scope, state },
    openedAt: openedAt ?? null,
    expiresAt: expiresAt ?? null,
    endedAt: endedAt ?? null,
    inTrail: trail.get(id) ?? nothing,
    inLog: openedAt === undefined || log === undefined ? null : (log.get(id) ?? { ...nothing, refused: 0 }),
  }))
}

/** All of them: older ones hold rows too. */
export function backupsSeen(backups: readonly Backup[]): readonly BackupEvidence[] {
  return backups.map(({ id, createdAt, verified, storedBytes }) => ({
    id,
    at: createdAt,
    verifiedAt: verified?.isGood === true ? verified.at : null,
    bytes: storedBytes,
  }))
}

function named({ isolation, server }: Placement): string {
  return `${isolation} on ${server}`
}
