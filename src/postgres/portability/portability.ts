// Exports and imports of tenants, by whoever operates the fleet.

import type { Actor } from '../../core/actor.ts'
import type { AuditTrail } from '../../core/audit-trail.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { PlannedCatalog } from '../../core/planned-catalog.ts'
import { type Json, parseTenantRef, type Tenant, type TenantRef } from '../../core/tenant.ts'
import { TenantNotFoundError, TenantOffboardingError, TenantOnboardingError } from '../../errors.ts'
import { exportTenant, type WriteExportOptions, type WrittenExport } from '../../portability/export-tenant.ts'
import { type ImportOptions, type ImportReport, importTenant } from '../../portability/import-tenant.ts'
import { PostgresImport } from './postgres-import.ts'
import { type LendMigrator, withTenantRows } from './tenant-rows-source.ts'

interface Parts {
  readonly catalog: Pick<PlannedCatalog, 'find'>
  readonly asMigrator: LendMigrator
  readonly auditTrail: AuditTrail
}

/** Who asked, and why: kept in the audit trail before a row is read or written. */
interface Asked {
  /** Default: partywall itself. */
  readonly actor?: Actor | undefined
  readonly reason?: string | undefined
}

/** A tenant's rows in files that others can read. Made by `openFleet`. */
export class Exports {
  readonly #parts: Parts

  /** @internal */
  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Writes all rows of a tenant, as of one moment, to a directory of this machine: a file for each table, a schema
   * (`datapackage.json`), a manifest. The tenant goes on working meanwhile; a suspended one is exported too.
   *
   * @example
   * ```ts
   * const { rows, manifest } = await fleet.exports.export('acme', { to: '/srv/exports/acme', format: 'csv' })
   * ```
   *
   * @throws {TenantNotFoundError}
   * @throws {TenantOnboardingError} when there is no place yet from which rows could be read.
   * @throws {InvalidInputError} when a table is asked for that is not there, or a value has no place in the format.
   * @throws {AbortedError} when the signal fires. What is there then has no manifest.
   */
  async export(ref: TenantRef, options: WriteExportOptions & Asked): Promise<WrittenExport> {
    const tenant = await found(this.#parts, ref)
    await recorded(this.#parts, 'tenant.export', tenant, options, { format: options.format ?? 'jsonl' })
    return await withTenantRows(
      placed(tenant),
      { asMigrator: this.#parts.asMigrator, signal: options.signal },
      async (rows) => await exportTenant(rows, options),
    )
  }
}

/** Rows from files into a tenant. Made by `openFleet`. */
export class Imports {
  readonly #parts: Parts

  /** @internal */
  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * Writes the rows of a directory into a tenant: all or nothing, unless it is asked to go on in batches. Every row that is refused is
   * in `refused.jsonl`, with its file, its line, its key and the reason.
   *
   * @example
   * ```ts
   * const { outcome, refused, refusedFile } = await fleet.imports.import('acme', { from: '/srv/exports/acme', mapIds: true })
   * ```
   *
   * @throws {TenantNotFoundError} {@link TenantOnboardingError} {@link TenantOffboardingError}
   * @throws {InvalidInputError} when the files are not as their manifest says, or do not fit the tenant's tables.
   * @throws {TenantMovingError} while the tenant is being moved.
   * @throws {OperationInProgressError} when another process goes on with the same import.
   * @throws {AbortedError} when the signal fires.
   */
  async import(ref: TenantRef, options: ImportOptions & Asked): Promise<ImportReport> {
    const tenant = await found(this.#parts, ref)
    if (tenant.status === 'offboarding')
      throw new TenantOffboardingError(`Tenant ${tenant.id} is being off-boarded: nothing is imported into it.`)
    const { mode = 'insert', mapIds = false, resumable = false, dryRun = false } = options
    await recorded(this.#parts, 'tenant.import', tenant, options, { mode, mapIds, resumable, dryRun })
    const target = new PostgresImport(this.#parts.asMigrator, placed(tenant), mode)
    return await importTenant(tenant.id, target, options)
  }
}

async function found({ catalog }: Parts, ref: TenantRef): Promise<Tenant> {
  const tenant = await catalog.find(parseTenantRef(ref))
  if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${JSON.stringify(ref)}.`)
  if (tenant.status === 'onboarding') throw new TenantOnboardingError(`Tenant ${tenant.id} is being set up. Wait until it is.`)
  return tenant
}

async function recorded(
  { auditTrail }: Parts,
  action: string,
  { id: tenantId }: Tenant,
  { actor = { kind: 'system', id: 'partywall' }, reason }: Asked,
  details: Readonly<Record<string, Json>>,
): Promise<void> {
  await auditTrail.record({ action, outcome: 'allowed', actor, tenantId, requestId: undefined, reason, details })
}

function placed({ id, region, keys, placement }: Tenant): PlacedTenant {
  return { id, region, keys, placement }
}
