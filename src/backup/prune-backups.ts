// Deletes what retention does not keep, and what was never finished.

import type { TenantId } from '../core/tenant.ts'
import { type Backup, type Listing, listBackups } from './backup-listing.ts'
import { manifestKey } from './backup-object.ts'
import type { BackupParts } from './backup-parts.ts'
import { keptBackups, type RetentionRule } from './retention.ts'

/** What pruning keeps and deletes, or would. */
export interface Pruned {
  readonly kept: readonly (Backup & { readonly because: string })[]
  readonly deleted: readonly Backup[]
  /** Of backups that were given up: their ids. */
  readonly unfinished: readonly string[]
}

export interface PruneOptions {
  /** Default: all tenants of which there are backups. */
  readonly tenantId?: TenantId | undefined
  readonly rule: RetentionRule
  readonly dryRun?: boolean | undefined
}

/** A backup that was made for one occasion is kept so long, whatever the rule says. */
const occasionMs = 30 * 86_400_000
/** Longer than a backup may take. */
const unfinishedMs = 2 * 86_400_000

/** Scheduled and manual backups go by the rule. Those that a swap or a look at another time has made are kept for 30 days. */
export async function pruneBackups(parts: BackupParts, { tenantId, rule, dryRun = false }: PruneOptions): Promise<Pruned> {
  const listing = await listBackups(parts.store, tenantId)
  const now = parts.clock.now()
  const kept: (Backup & { because: string })[] = []
  const deleted: Backup[] = []
  for (const backups of byTenant(listing).values()) {
    const because = reasonsToKeep(backups, rule, now)
    for (const backup of backups) {
      const reason = because.get(backup.id)
      if (reason === undefined) deleted.push(backup)
      else kept.push({ ...backup, because: reason })
    }
  }
  const unfinished = listing.unfinished.filter(({ id }) => now - madeAt(id) > unfinishedMs)
  if (!dryRun) {
    for (const backup of deleted) await deleteBackup(parts, backup)
    for (const { keys } of unfinished) for (const key of keys) await parts.store.delete(key)
  }
  return { kept, deleted, unfinished: unfinished.map(({ id }) => id) }
}

/** The manifest first: a backup that is half deleted is none. */
export async function deleteBackup({ store }: Pick<BackupParts, 'store'>, place: Pick<Backup, 'tenantId' | 'id'>): Promise<void> {
  await store.delete(manifestKey(place))
  for (const { key } of await store.list(`${place.tenantId}/${place.id}/`)) await store.delete(key)
}

/** As far as is known without opening it. */
export function isUsable({ isWhole, verified }: Backup): boolean {
  return isWhole && verified?.isGood !== false
}

function reasonsToKeep(backups: readonly Backup[], rule: RetentionRule, now: number): ReadonlyMap<string, string> {
  const isOccasional = ({ kind }: Backup): boolean => kind === 'safety' || kind === 'point in time'
  const usable = new Set(backups.filter(isUsable).map(({ id }) => id))
  const ruled = backups.filter((backup) => !isOccasional(backup))
  const kept = new Map(keptBackups(ruled, rule, ({ id }) => usable.has(id)).map(({ id, because }) => [id, because.join(', ')]))
  for (const { id, kind, createdAt } of backups.filter(isOccasional)) {
    if (now - createdAt.getTime() < occasionMs) kept.set(id, kind)
  }
  // The only one that is good stays, whatever it was made for.
  const newest = backups.find(({ id }) => usable.has(id))
  if (newest !== undefined && ![...kept.keys()].some((id) => usable.has(id))) kept.set(newest.id, 'last good')
  return kept
}

function byTenant({ backups }: Listing): ReadonlyMap<TenantId, readonly Backup[]> {
  const groups = new Map<TenantId, Backup[]>()
  for (const backup of backups) groups.set(backup.tenantId, [...(groups.get(backup.tenantId) ?? []), backup])
  return groups
}

/** A uuid of version 7 begins with its moment. What has another name is of somebody else, and of any age. */
function madeAt(id: string): number {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id) ? Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16) : Number.POSITIVE_INFINITY
}
