// Backups as a part of a fleet: what is asked of them by programs, by onboarding, by off-boarding and by the keeper.

import type { ObjectStore } from '../objects/object-store.ts'
import type { PurgeStore } from '../operations/purge-store.ts'
import type { TenantFiller } from '../operations/tenant-filler.ts'
import { backupPurgeStore } from './backup-purge-store.ts'
import { Backups, type BackupsParts } from './backups.ts'
import { backupFiller } from './restore-rows.ts'
import { checkedRetention, type RetentionRule } from './retention.ts'
import type { DueBackup } from './run-due.ts'
import { type BackupSchedule, checkedSchedule } from './schedule.ts'

/** Where backups of tenants are kept, how often they are made and how long they stay. */
export interface BackupSettings {
  readonly store: ObjectStore
  /** Who is backed up how often. Default: nobody, unless somebody asks. */
  readonly schedule?: readonly BackupSchedule[] | undefined
  /** Which of a tenant's backups are kept. Default: all of them. */
  readonly retention?: RetentionRule | undefined
}

export interface FleetBackups {
  readonly backups: Backups
  readonly filler: TenantFiller
  readonly purgeStore: PurgeStore
  /** What a keeper calls in each of its rounds; undefined when nothing is scheduled. */
  keeper(): ((signal: AbortSignal) => Promise<readonly DueBackup[]>) | undefined
}

/** Between two looks for backups that are due: each looks through the store. */
const roundMs = 60_000

/** @throws {ConfigurationError} for a schedule or a retention that cannot be. @returns undefined without settings. */
export function openBackups(settings: BackupSettings | undefined, parts: Omit<BackupsParts, 'store'>): FleetBackups | undefined {
  if (settings === undefined) return undefined
  const { store, schedule = [], retention } = settings
  checkedSchedule(schedule)
  checkedRetention(retention ?? {})
  const backups = new Backups({ ...parts, store })
  return {
    backups,
    filler: backupFiller({ ...parts, store }),
    purgeStore: backupPurgeStore(store),
    keeper() {
      if (schedule.length === 0) return undefined
      let nextMs = 0
      return async (signal) => {
        if (parts.clock.monotonic() < nextMs) return []
        nextMs = parts.clock.monotonic() + roundMs
        return await backups.runDue({ schedule, retention, signal })
      }
    },
  }
}
