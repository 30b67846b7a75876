// Makes the backups that are due. What was made is looked up in the store, so that any process may do it, at any time, and two that do
// it at once make one backup too many at worst.

import type { Tenant } from '../core/tenant.ts'
import { InternalError, TenancyError } from '../errors.ts'
import { listBackups } from './backup-listing.ts'
import { type BackupParts, eachOf } from './backup-parts.ts'
import { createBackup } from './create-backup.ts'
import { pruneBackups } from './prune-backups.ts'
import type { RetentionRule } from './retention.ts'
import { type BackupSchedule, isDue, scheduleOf } from './schedule.ts'

export interface RunDueOptions {
  readonly schedule: readonly BackupSchedule[]
  /** After a backup, the tenant's older ones are pruned by it. Without it none is. */
  readonly retention?: RetentionRule | undefined
  /** Tenants at a time, at most. Default 2. */
  readonly tenantsMax?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly dryRun?: boolean | undefined
  readonly onDue?: ((done: DueBackup) => void) | undefined
}

/** What became of one tenant whose backup was due. Work on many does not stop at the first failure. */
export interface DueBackup {
  readonly tenantId: string
  readonly slug: string
  readonly backup: string | undefined
  readonly pruned: number
  readonly error: TenancyError | undefined
}

/** @returns one for each tenant that was due; none for the others. */
export async function runDueBackups(parts: BackupParts, options: RunDueOptions): Promise<readonly DueBackup[]> {
  const due = await dueTenants(parts, options)
  if (options.dryRun === true) {
    return due.map(({ id, slug }) => ({ tenantId: id, slug, backup: undefined, pruned: 0, error: undefined }))
  }
  const { tenantsMax: concurrency = 2, signal } = options
  return await eachOf(due, { concurrency, signal }, async (tenant) => {
    const done = await backUp(parts, tenant, options)
    options.onDue?.(done)
    return done
  })
}

async function dueTenants({ catalog, store, clock }: BackupParts, { schedule }: RunDueOptions): Promise<readonly Tenant[]> {
  const now = clock.now()
  const due: Tenant[] = []
  for (let after: Tenant['id'] | undefined; ; ) {
    const page = await catalog.list({ limit: 200, after })
    for (const tenant of page.tenants) {
      const rule = scheduleOf(tenant.plan, schedule)
      if (rule === undefined || tenant.status === 'onboarding' || tenant.status === 'offboarding') continue
      const { backups } = await listBackups(store, tenant.id)
      const last = backups.find(({ kind, isWhole }) => isWhole && (kind === 'scheduled' || kind === 'manual'))
      if (isDue(last?.createdAt, rule.every, now)) due.push(tenant)
    }
    if (page.next === undefined) return due
    after = page.next
  }
}

async function backUp(parts: BackupParts, { id, slug }: Tenant, { retention, signal }: RunDueOptions): Promise<DueBackup> {
  try {
    const manifest = await createBackup(parts, id, { kind: 'scheduled', signal })
    const pruned = retention === undefined ? 0 : (await pruneBackups(parts, { tenantId: id, rule: retention })).deleted.length
    return { tenantId: id, slug, backup: manifest.id, pruned, error: undefined }
  } catch (error) {
    const told = error instanceof TenancyError ? error : new InternalError(`The backup of ${slug} failed.`, { cause: error })
    return { tenantId: id, slug, backup: undefined, pruned: 0, error: told }
  }
}
