// The backups of an installation, as a program calls them.

import type { Actor } from '../core/actor.ts'
import type { Isolation } from '../core/placement.ts'
import { type Json, parseTenantRef, type Tenant, type TenantId, type TenantKeys, type TenantRef } from '../core/tenant.ts'
import { BackupNotFoundError, InvalidInputError, TenantNotFoundError } from '../errors.ts'
import type { OnboardTenant, OperationReport, VerbOptions } from '../operations/operations.ts'
import { type Backup, type Listing, listBackups } from './backup-listing.ts'
import { type BackupParts, livingTenant } from './backup-parts.ts'
import { type DiffOptions, diffTenants, type MergeIntoOptions, mergeInto, type RowsOf } from './bring-back.ts'
import { type CreateOptions, createBackup } from './create-backup.ts'
import { type BackupPlace, openBackup } from './open-backup.ts'
import { deleteBackup, type Pruned, pruneBackups } from './prune-backups.ts'
import { nameOfPlace } from './restore-rows.ts'
import { checkedRetention, type RetentionRule } from './retention.ts'
import type { TableDifference, WrittenTable } from './row-source.ts'
import { type DueBackup, type RunDueOptions, runDueBackups } from './run-due.ts'
import { type BackupVerification, type VerifyOptions, verifyBackup } from './verify-backup.ts'

/** Who asks, and why, for the audit trail. */
export interface Asked {
  readonly actor?: Actor | undefined
  readonly reason?: string | undefined
}

/** The tenant that a backup becomes. What is not given is as it was in the backup. */
export interface RestoreOptions extends VerbOptions {
  /** Its slug. */
  readonly as: string
  readonly name?: string | undefined
  readonly plan?: string | undefined
  readonly region?: string | undefined
  readonly isolation?: Isolation | undefined
  /** A server, by its name in the catalog. */
  readonly server?: string | undefined
  /** Needed where tables know the tenant by a bigint or a text: no two tenants have the same. */
  readonly keys?: TenantKeys | undefined
}

export interface BackupsParts extends BackupParts {
  readonly onboard: (tenant: OnboardTenant, options: VerbOptions) => Promise<OperationReport>
  readonly replace: (tenantId: TenantId, contents: string, options: VerbOptions & { readonly reason: string }) => Promise<OperationReport>
}

/**
 * Makes, checks, restores and prunes backups of single tenants.
 *
 * A backup is named by its id, as `<tenant>/<id>`, or as `<tenant>/latest`: the newest one that is whole and not known to be broken.
 * A name with its tenant is found faster, since only that tenant's backups are looked through.
 *
 * @example
 * ```ts
 * const backup = await fleet.backups.create('acme')
 * await fleet.backups.verify(backup.id)
 * await fleet.backups.restore('acme/latest', { as: 'acme-before' })
 * ```
 */
export class Backups {
  readonly #parts: BackupsParts

  /** @internal */
  constructor(parts: BackupsParts) {
    this.#parts = parts
  }

  /**
   * Backs a tenant up, as of one moment, while it is being served. When it resolves the backup is there; when it rejects there is none.
   *
   * @throws {TenantNotFoundError} {@link TenantOnboardingError} {@link TenantOffboardingError} {@link ObjectStoreError}
   * @throws {AbortedError} when the signal fires.
   */
  async create(ref: TenantRef, options: CreateOptions & Asked = {}): Promise<Backup> {
    const { id, tenantId } = await createBackup(this.#parts, ref, options)
    await this.#record('backup.created', tenantId, { backup: id, ...(options.from !== undefined && { elsewhere: true }) }, options)
    return await this.get(`${tenantId}/${id}`)
  }

  /** The newest first; of one tenant, or of all. With what is unreadable or unfinished beside them. */
  async list(ref?: TenantRef): Promise<Listing> {
    return await listBackups(this.#parts.store, ref === undefined ? undefined : await this.#idOf(ref))
  }

  /** @throws {BackupNotFoundError} */
  async get(name: string): Promise<Backup> {
    const [tenant, id] = name.includes('/') ? (name.split('/', 2) as [string, string]) : [undefined, name]
    const { backups } = await this.list(tenant)
    const isIt =
      id === 'latest' ? ({ isWhole, verified }: Backup) => isWhole && verified?.isGood !== false : (each: Backup) => each.id === id
    const found = id === 'latest' && tenant === undefined ? undefined : backups.find(isIt)
    if (found !== undefined) return found
    throw new BackupNotFoundError(`There is no backup ${JSON.stringify(name.slice(0, 100))}. See partywall backup list.`)
  }

  /**
   * Says whether a backup is good: opens every object, restores it into a throw-away place, and compares counts and digests. With
   * `quick` it is opened and not restored. The answer is noted beside the backup.
   *
   * @throws {BackupNotFoundError} {@link ObjectStoreError}
   */
  async verify(name: string, options: VerifyOptions & Asked = {}): Promise<BackupVerification> {
    const place = await this.get(name)
    const found = await verifyBackup(this.#parts, place, options)
    const { isGood, isQuick } = found
    await this.#record('backup.verified', place.tenantId, { backup: place.id, isGood, isQuick }, options)
    return found
  }

  /** @throws {BackupNotFoundError} */
  async delete(name: string, asked: Asked = {}): Promise<Backup> {
    const backup = await this.get(name)
    await this.#record('backup.deleted', backup.tenantId, { backup: backup.id }, asked)
    await deleteBackup(this.#parts, backup)
    return backup
  }

  /**
   * Deletes the scheduled and manual backups that the rule does not keep, and what was never finished. The newest good one stays.
   *
   * @throws {ConfigurationError} for a rule that cannot be.
   */
  async prune(
    options: { readonly tenant?: TenantRef | undefined; readonly rule: RetentionRule; readonly dryRun?: boolean | undefined } & Asked,
  ): Promise<Pruned> {
    const rule = checkedRetention(options.rule)
    const tenantId = options.tenant === undefined ? undefined : await this.#idOf(options.tenant)
    const pruned = await pruneBackups(this.#parts, { tenantId, rule, dryRun: options.dryRun })
    if (options.dryRun !== true && pruned.deleted.length > 0) {
      await this.#record('backup.pruned', tenantId, { deleted: pruned.deleted.length }, options)
    }
    return pruned
  }

  /** Makes the backups that are due. For a timer, or `partywall backup run-due` from cron. */
  async runDue(options: RunDueOptions): Promise<readonly DueBackup[]> {
    return await runDueBackups(this.#parts, options)
  }

  /**
   * Restores a backup as a tenant of its own, with an id of its own, beside the one that it is of. It is onboarded like any tenant: in
   * any placement, journaled, and open when its rows are there. No seeds are planted. Domains and the tenant above it are not restored.
   *
   * @throws {BackupNotFoundError} {@link BackupInvalidError} {@link TenantExistsError} {@link ConstraintError}
   * @throws {OperationFailedError} when something broke on the way: `fleet.tenants.retry()` goes on, `cancel()` takes everything back.
   */
  async restore(name: string, { as, keys, isolation, server, ...options }: RestoreOptions): Promise<OperationReport> {
    const place = await this.get(name)
    const { manifest } = await openBackup(this.#parts, place)
    const was = manifest.tenant
    assertHasKeys(was.keys, keys ?? {})
    const tenant: OnboardTenant = {
      slug: as,
      name: options.name ?? was.name,
      plan: options.plan ?? was.plan,
      region: options.region ?? was.region,
      isolation: isolation ?? was.isolation,
      server,
      features: was.features,
      settings: was.settings,
      keys,
      seeds: [],
      contents: nameOfPlace(place),
    }
    return await this.#parts.onboard(tenant, options)
  }

  /**
   * In what a tenant (`left`) and another one, or a backup (`right`), differ: counts, and the keys of the first few rows. A backup is
   * restored into a throw-away place for it.
   */
  async diff(ref: TenantRef, other: string, options: DiffOptions = {}): Promise<readonly TableDifference[]> {
    return await diffTenants(this.#parts, await livingTenant(this.#parts, ref), await this.#sourceNamed(other), options)
  }

  /**
   * Brings rows of a tenant that was restored beside, or of a backup, into a tenant, in one transaction, while it is being served: those
   * that are missing, or with `overwrite` those that differ, too. Nothing is deleted.
   *
   * @throws {ConstraintError} when they do not fit the rows that are there, e.g. for want of the rows that they refer to.
   */
  async merge(ref: TenantRef, other: string, options: MergeIntoOptions & Asked = {}): Promise<readonly WrittenTable[]> {
    const tenant = await livingTenant(this.#parts, ref)
    const source = await this.#sourceNamed(other)
    const written = await mergeInto(this.#parts, tenant, source, options)
    if (options.dryRun !== true) {
      const rows = written.reduce((sum, { inserted, updated }) => sum + inserted + updated, 0)
      await this.#record('backup.merged', tenant.id, { rows, tables: written.map(({ table }) => table) }, options)
      // What was derived from the rows is stale.
      if (rows > 0) await this.#parts.catalog.update(tenant.id, { name: tenant.name })
    }
    return written
  }

  /**
   * Puts the rows of a backup, or of another tenant as they are now, in the place of a tenant's own, in one transaction. The tenant keeps
   * its id, name, settings and place. Readers see all of the old or all of the new; writes wait meanwhile. What was there is backed up
   * first, while nobody can write: swapping with that backup is the way back. Needs a reason.
   *
   * @throws {BackupNotFoundError} {@link BackupInvalidError} {@link ConstraintError} {@link OperationInProgressError}
   */
  async swap(ref: TenantRef, other: string, options: VerbOptions & { readonly reason: string }): Promise<OperationReport> {
    const tenant = await livingTenant(this.#parts, ref)
    const source = await this.#sourceNamed(other)
    if (source.kind === 'tenant' && source.tenant.id === tenant.id) throw new InvalidInputError('A tenant cannot be swapped with itself.')
    const place = source.kind === 'backup' ? source.place : await this.#snapshotOf(source.tenant, options)
    return await this.#parts.replace(tenant.id, nameOfPlace(place), options)
  }

  async #snapshotOf({ id: tenantId }: Tenant, { dryRun, signal }: VerbOptions): Promise<BackupPlace> {
    if (dryRun === true) return { tenantId, id: 'its-rows-at-that-moment' }
    const { id } = await createBackup(this.#parts, tenantId, { kind: 'safety', signal })
    return { tenantId, id }
  }

  /** A tenant by its id or slug, or else a backup. */
  async #sourceNamed(name: string): Promise<RowsOf> {
    if (!name.includes('/')) {
      const tenant = await this.#parts.catalog.find(parseTenantRef(name))
      if (tenant !== undefined) return { kind: 'tenant', tenant: await livingTenant(this.#parts, tenant.id) }
    }
    const { tenantId, id } = await this.get(name)
    return { kind: 'backup', place: { tenantId, id } }
  }

  async #idOf(ref: TenantRef): Promise<TenantId> {
    const lookup = parseTenantRef(ref)
    // Of a tenant that is gone there may still be backups, until its off-boarding has come to them.
    if (lookup.kind === 'id') return lookup.id
    const tenant = await this.#parts.catalog.find(lookup)
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
    return tenant.id
  }

  async #record(action: string, tenantId: TenantId | undefined, details: Readonly<Record<string, Json>>, { actor, reason }: Asked) {
    await this.#parts.auditTrail.record({
      action,
      outcome: 'allowed',
      actor: actor ?? system,
      tenantId,
      requestId: undefined,
      reason,
      details,
    })
  }
}

const system: Actor = Object.freeze({ kind: 'system', id: 'partywall' })

/** A key is one tenant's alone: the restored one cannot have that of the live one. */
function assertHasKeys(was: TenantKeys, given: TenantKeys): void {
  const wanting = (['bigint', 'text'] as const).filter((type) => was[type] !== undefined && (given[type] ?? was[type]) === was[type])
  if (wanting.length === 0) return
  throw new InvalidInputError(
    `The tenant of the backup has a ${wanting.join(' and a ')} key, which stays its own. Give the restored one another: keys.`,
  )
}
