// What has happened to a tenant, in the words of a report.

import type { Backup } from '../backup/backup-listing.ts'
import type { Move } from '../core/move.ts'
import type { Placement } from '../core/placement.ts'
import type { BackupEvidence, MoveEvidence } from './facts.ts'

/** The moves that were under way at that moment or later, the newest first. */
export function movesSince(moves: readonly Move[], since: Date): readonly MoveEvidence[] {
  return moves
    .filter(({ finishedAt }) => finishedAt === undefined || finishedAt >= since)
    .map(({ source, target, state, createdAt }) => ({ from: named(source), to: named(target), state, at: createdAt }))
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
