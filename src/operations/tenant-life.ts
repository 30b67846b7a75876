// What the operations on a tenant's life need, by ports. Whoever joins the parts hands them in.

import type { Catalog } from '../core/catalog.ts'
import type { Isolation } from '../core/placement.ts'
import type { PlacedTenant, PlacementAdapter } from '../core/placement-adapter.ts'
import type { Plans } from '../core/plans.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { InvalidInputError, TenantNotFoundError, TenantOffboardingError, TenantOnboardingError } from '../errors.ts'
import type { PurgeStore } from './purge-store.ts'
import type { TenantCopier } from './tenant-copier.ts'
import type { TenantExporter } from './tenant-exporter.ts'
import type { TenantFiller } from './tenant-filler.ts'

/** A statement, in the tenant's scope. */
export interface SeedScope {
  query(text: string, values?: readonly unknown[]): Promise<unknown>
}

/**
 * What a new tenant starts with. It is run in one transaction in the tenant's scope; after a kill it may be run again, so it must be
 * repeatable (`on conflict do nothing`).
 */
export type Seed =
  | { readonly name: string; readonly sql: readonly string[] }
  | { readonly name: string; run(scope: SeedScope, tenant: Tenant): Promise<void> }

/** Runs `work` in one transaction of the tenant, behind the wall, whatever the tenant's status in the catalog. */
export type SeedRunner = (tenant: Tenant, work: (scope: SeedScope) => Promise<void>) => Promise<void>

/** The application's own part in a tenant's life. Each may be called again after a kill. */
export interface TenantHooks {
  /** The place is there, and nobody is let in yet. */
  beforeOpen?(tenant: Tenant): Promise<void>
  /** Makes the tenant's first user. It is given the text of an API key, which is stored nowhere. */
  admin?(tenant: Tenant, admin: TenantAdmin & { readonly apiKey: string | undefined }): Promise<void>
  /** The tenant is open. */
  onboarded?(tenant: Tenant): Promise<void>
}

/** The tenant's first user. */
export interface TenantAdmin {
  readonly email: string
  readonly name: string
}

/** API keys, as far as onboarding makes them. */
export interface AdminKeys {
  issue(tenantId: TenantId, key: { readonly name: string; readonly scopes: readonly string[] }): Promise<{ prefix: string; text: string }>
  /** Revokes keys of this name that are alive. */
  revokeNamed(tenantId: TenantId, name: string): Promise<void>
}

/** Secrets by name, as far as operations need them. */
export interface OperationSecrets {
  get(name: string): Promise<string | undefined>
  /** Replaces what is there. */
  put(name: string, value: string): Promise<void>
}

/** Everything at once. A part that is not there leaves out the steps that need it. */
export interface TenantLife {
  readonly catalog: Catalog
  /** @throws {ConfigurationError} for an isolation that this installation has no adapter for. */
  readonly placements: (isolation: Isolation) => PlacementAdapter
  /** Where tenants of a plan live. Default: pooled, all of them. */
  readonly plans?: Plans | undefined
  readonly hooks?: TenantHooks | undefined
  readonly seeds?: readonly Seed[] | undefined
  readonly runSeed?: SeedRunner | undefined
  readonly adminKeys?: AdminKeys | undefined
  /** Makes the tenant's own encryption key, or finds the one that it made before. @returns its id. */
  readonly encryptionKey?: ((tenant: PlacedTenant) => Promise<string>) | undefined
  /** Where the key that signs purge certificates is kept, under `signing/certificates`. */
  readonly secrets: OperationSecrets
  /** What may hold something of a tenant, beside its placement, which is always purged first. */
  readonly stores?: readonly PurgeStore[] | undefined
  readonly exporter?: TenantExporter | undefined
  /** Fills a clone with rows. Without it there are no clones. */
  readonly copier?: TenantCopier | undefined
  /** Gives a new tenant the rows of a backup. */
  readonly filler?: TenantFiller | undefined
  /** Told after every change, so that this process's caches forget the tenant. */
  readonly onTenantChanged?: ((id: TenantId) => void) | undefined
}

/** The isolation that a plan gives by default. */
export function isolationOfPlan(life: TenantLife, plan: string): Isolation {
  return life.plans?.placementOf(plan) ?? 'pooled'
}

export function placed(tenant: Tenant): PlacedTenant {
  return { id: tenant.id, region: tenant.region, keys: tenant.keys, placement: tenant.placement }
}

/** Past every cache. @throws {TenantNotFoundError} */
export async function existing(life: TenantLife, id: TenantId): Promise<Tenant> {
  const tenant = await life.catalog.find({ kind: 'id', id })
  if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${id}.`)
  return tenant
}

/** The tenant, if it lives: neither on its way in nor on its way out. @throws {TenantOnboardingError} {@link TenantOffboardingError} */
export async function settledTenant(life: TenantLife, id: TenantId): Promise<Tenant> {
  const tenant = await existing(life, id)
  if (tenant.status === 'onboarding') throw new TenantOnboardingError(`Tenant ${id} is being set up. Retry or cancel its onboarding first.`)
  if (tenant.status === 'offboarding')
    throw new TenantOffboardingError(`Tenant ${id} is being off-boarded. Cancel that first, if it still can be.`)
  return tenant
}

/** A text of an input. @throws {InvalidInputError} */
export function textField(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new InvalidInputError(`${name} is not a text.`)
}
