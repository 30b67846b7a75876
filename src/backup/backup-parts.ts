// What backups are made of and with. Whoever joins the parts hands them in.

import type { AuditTrail } from '../core/audit-trail.ts'
import type { Catalog } from '../core/catalog.ts'
import type { Clock } from '../core/clock.ts'
import type { Isolation } from '../core/placement.ts'
import type { PlacedTenant, PlacementAdapter } from '../core/placement-adapter.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { parseTenantRef, type Tenant, type TenantRef } from '../core/tenant.ts'
import { InvalidInputError, TenantNotFoundError, TenantOffboardingError, TenantOnboardingError } from '../errors.ts'
import type { ObjectStore } from '../objects/object-store.ts'
import type { TenantRows } from './row-source.ts'

export interface BackupParts {
  readonly store: ObjectStore
  readonly secrets: SecretStore
  readonly catalog: Catalog
  readonly placements: (isolation: Isolation) => PlacementAdapter
  readonly rows: TenantRows
  readonly auditTrail: AuditTrail
  readonly clock: Clock
  /** Of partywall, for the manifest. */
  readonly partywall: string
}

/** How far long work is. Counts, not differences. */
export interface BackupProgress {
  /** The table that has come further. */
  readonly table: string
  /** Of that table, before compression. */
  readonly bytes: number
  readonly tablesDone: number
  readonly tables: number
}

export interface WorkOptions {
  /** Tables at a time, at most: 1 to 16, default 2. Each takes a connection to the tenant's database. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

const concurrencyDefault = 2
const concurrencyMax = 16

/** @throws {InvalidInputError} for a number of tables that is out of bounds. */
export function checkedConcurrency({ concurrency = concurrencyDefault }: WorkOptions): number {
  if (Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= concurrencyMax) return concurrency
  throw new InvalidInputError(`concurrency is ${concurrency}; it may be 1 to ${concurrencyMax}.`)
}

/** A tenant that lives, past every cache. @throws {TenantNotFoundError} {@link TenantOnboardingError} {@link TenantOffboardingError} */
export async function livingTenant({ catalog }: Pick<BackupParts, 'catalog'>, ref: TenantRef): Promise<Tenant> {
  const tenant = await catalog.find(parseTenantRef(ref))
  if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
  if (tenant.status === 'onboarding') throw new TenantOnboardingError(`Tenant ${tenant.slug} is being set up.`)
  if (tenant.status === 'offboarding') throw new TenantOffboardingError(`Tenant ${tenant.slug} is being off-boarded.`)
  return tenant
}

export function placedTenant({ id, region, keys, placement }: Tenant): PlacedTenant {
  return { id, region, keys, placement }
}

/** Does `fn` for each, so many at a time; at the first failure the others are told to stop, and are waited for. */
export async function eachOf<T, R>(
  items: readonly T[],
  { concurrency, signal }: { readonly concurrency: number; readonly signal?: AbortSignal | undefined },
  fn: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> {
  const stopper = new AbortController()
  const both = signal === undefined ? stopper.signal : AbortSignal.any([signal, stopper.signal])
  const results: R[] = []
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const work = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++
      try {
        results[index] = await fn(items[index]!, both)
      } catch (error) {
        // The first one says why; what fails because it was stopped does not.
        failure ??= { error }
        stopper.abort()
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work))
  if (failure !== undefined) throw failure.error
  return results
}
