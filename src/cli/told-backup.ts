// A backup as it is printed, and how far the making of one is.

import type { Backup } from '../backup/backup-listing.ts'
import type { BackupProgress } from '../backup/backup-parts.ts'
import type { Progress } from './progress.ts'

/** In a few words; as JSON the same. */
export function toldBackup({ tables, rows, bytes, storedBytes, ...backup }: Backup): object {
  const { id, tenantId, kind, createdAt, snapshotAt, lsn, version, postgres, isWhole, verified } = backup
  return {
    id,
    tenantId,
    kind,
    state: stateOf(backup),
    snapshotAt: snapshotAt.toISOString(),
    createdAt: createdAt.toISOString(),
    tables,
    rows,
    bytes,
    storedBytes,
    version,
    postgres,
    lsn,
    isWhole,
    verifiedAt: verified?.at.toISOString(),
  }
}

/** What is known of a backup without opening it. */
export function stateOf({ isWhole, verified }: Pick<Backup, 'isWhole' | 'verified'>): string {
  if (!isWhole) return 'objects are missing'
  if (verified === undefined) return 'not verified'
  return verified.isGood ? `good${verified.isQuick ? ' (quick)' : ''}` : 'broken'
}

/** A listener that counts tables, and names the one that has come further. */
export function backupProgress(progress: Progress, label: string): (progress: BackupProgress) => void {
  let hasStarted = false
  return ({ table, bytes, tablesDone, tables }) => {
    if (!hasStarted) progress.start(tables, label)
    hasStarted = true
    progress.advance({ done: tablesDone, note: `${table}: ${sizeOf(bytes)}` })
  }
}

/** For people: 1,536 is `1.5 KiB`. */
export function sizeOf(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10))
  const size = bytes / 1024 ** power
  return `${power === 0 ? size : size.toFixed(1)} ${units[power]}`
}
