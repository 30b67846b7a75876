// The catalog: which tenants there are. A port with two adapters (core/memory-catalog.ts, postgres/catalog.ts) and one
// conformance suite (test/core/catalog-conformance.ts).

import type { Isolation, Placement } from './placement.ts'
import type { Json, ParsedTenantRef, Tenant, TenantId, TenantKeys, TenantSlug, TenantStatus } from './tenant.ts'

/** A tenant to be. `id` is generated (uuidv7) when it is not given. */
export interface NewTenant {
  readonly id?: TenantId | undefined
  readonly slug: TenantSlug
  readonly name: string
  readonly plan?: string | undefined
  readonly region?: string | undefined
  /** Default: pooled, in the catalog's own database. The place must be there. */
  readonly placement?: Placement | undefined
  /** Default: active. */
  readonly status?: TenantStatus | undefined
  readonly parentId?: TenantId | undefined
  readonly features?: Readonly<Record<string, Json>> | undefined
  readonly settings?: Readonly<Record<string, Json>> | undefined
  readonly domains?: readonly string[] | undefined
  readonly encryptionKeyId?: string | undefined
  readonly keys?: TenantKeys | undefined
}

/** What may be changed on a tenant. Its id may not. `features` and `settings` replace the whole object. */
export interface TenantPatch {
  readonly slug?: TenantSlug | undefined
  readonly name?: string | undefined
  readonly plan?: string | undefined
  readonly region?: string | undefined
  /** Where its rows are from now on. What is there is not moved by this. */
  readonly placement?: Placement | undefined
  /** Null: none. */
  readonly parentId?: TenantId | null | undefined
  readonly features?: Readonly<Record<string, Json>> | undefined
  readonly settings?: Readonly<Record<string, Json>> | undefined
  readonly domains?: readonly string[] | undefined
  readonly encryptionKeyId?: string | undefined
  /** Keys that the tenant does not have yet. What is left out, or is the same, stays as it is. */
  readonly keys?: TenantKeys | undefined
}

/** How a tenant is looked up: by id, by slug, or by a host name of its own (lower-case, no port). */
export type TenantLookup = ParsedTenantRef | { readonly kind: 'domain'; readonly domain: string }

export interface TenantPage {
  readonly tenants: readonly Tenant[]
  /** Pass as `after` for the next page; undefined at the end. */
  readonly next: TenantId | undefined
}

export interface TenantListOptions {
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
  readonly after?: TenantId | undefined
  readonly status?: TenantStatus | undefined
  readonly plan?: string | undefined
  readonly region?: string | undefined
  readonly isolation?: Isolation | undefined
  /** A database, by its name in the catalog. */
  readonly database?: string | undefined
  /** Those that are right below this one. */
  readonly parentId?: TenantId | undefined
}

/** Told when tenants may have changed. `ids` undefined means: any of them (e.g. the listener was cut off for a while). */
export type TenantChangeListener = (ids: readonly TenantId[] | undefined) => void

export interface Catalog {
  /** @returns undefined when there is no such tenant. */
  find(lookup: TenantLookup): Promise<Tenant | undefined>
  /**
   * @throws {TenantExistsError} when the id, slug, a domain or a key is taken, or was that of a tenant that is gone.
   * @throws {RegionMismatchError} when its server is in another region.
   */
  create(tenant: NewTenant): Promise<Tenant>
  /**
   * Changes a tenant and increments its epoch.
   *
   * @throws {TenantNotFoundError}
   * @throws {TenantExistsError} when the new slug, a domain or a key is taken.
   * @throws {InvalidInputError} when the tenant has another key of that type: a key is set once.
   * @throws {RegionMismatchError} when its server would be in another region.
   * @throws {StaleTenantError} when `ifEpoch` is given and is not the tenant's epoch.
   */
  update(id: TenantId, patch: TenantPatch, ifEpoch?: number): Promise<Tenant>
  /**
   * Changes the status and increments the epoch. When it resolves, the database refuses the tenant's statements
   * (or takes them again): no cache has a say in it.
   *
   * @throws {TenantNotFoundError}
   */
  setStatus(id: TenantId, status: TenantStatus): Promise<Tenant>
  /**
   * Forgets a tenant whose data are gone, and keeps its id and slug from coming back.
   *
   * @throws {TenantNotFoundError}
   * @throws {InvalidInputError} unless it is being off-boarded.
   */
  remove(id: TenantId): Promise<void>
  /**
   * Takes back a tenant that was never opened. Nothing remembers it: its id and slug are free again.
   *
   * @throws {TenantNotFoundError}
   * @throws {InvalidInputError} unless it is being onboarded.
   */
  discard(id: TenantId): Promise<void>
  /**
   * Keeps the hash of the certificate of its purge with what remains of a tenant that was removed. Another than before is refused.
   *
   * @param sha256 64 hexadecimal digits.
   * @throws {TenantNotFoundError} when no such tenant was removed.
   * @throws {InvalidInputError} when it has another certificate.
   */
  noteCertificate(id: TenantId, sha256: string): Promise<void>
  /** Tenants in the order of their ids. */
  list(options?: TenantListOptions): Promise<TenantPage>
  /** Starts telling of changes; the result stops it. Delivery is at-least-once and may be late: the epoch is the truth. */
  watch(listener: TenantChangeListener): Promise<() => Promise<void>>
}
