// Tenants as the application sees them: found through the cache, changed through the catalog.

import { InvalidInputError, OperationRequiredError, TenantNotFoundError } from '../errors.ts'
import type { Actor } from './actor.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Catalog, TenantListOptions, TenantLookup, TenantPage, TenantPatch } from './catalog.ts'
import { mainPlacement } from './placement.ts'
import {
  type Json,
  parseTenantId,
  parseTenantRef,
  parseTenantSlug,
  type Tenant,
  type TenantId,
  type TenantKeys,
  type TenantRef,
  type TenantStatus,
} from './tenant.ts'
import type { TenantScope } from './tenant-context.ts'
import type { TenantDirectory } from './tenant-directory.ts'
import { setOwnFeatures } from './tenant-features.ts'

/** A tenant to be created. Text is parsed; nothing is folded. */
export interface CreateTenantInput {
  readonly id?: string | undefined
  readonly slug: string
  readonly name: string
  readonly plan?: string | undefined
  readonly region?: string | undefined
  readonly features?: Readonly<Record<string, Json>> | undefined
  readonly settings?: Readonly<Record<string, Json>> | undefined
  readonly domains?: readonly string[] | undefined
  readonly encryptionKeyId?: string | undefined
  /** What the tables of an application that existed before know the tenant by. */
  readonly keys?: TenantKeys | undefined
}

/** What may be changed. Absent means unchanged. */
export interface UpdateTenantInput extends Omit<TenantPatch, 'slug' | 'placement'> {
  readonly slug?: string | undefined
}

/** Who changes a tenant's status, and why: both are recorded. */
export interface StatusChange {
  readonly reason: string
  readonly actor?: Actor | undefined
}

/** The tenants of a tenancy. */
export class Tenants {
  readonly #catalog: Catalog
  readonly #directory: TenantDirectory
  readonly #auditTrail: AuditTrail
  readonly #scope: TenantScope

  constructor(parts: {
    readonly catalog: Catalog
    readonly directory: TenantDirectory
    readonly auditTrail: AuditTrail
    readonly scope: TenantScope
  }) {
    this.#catalog = parts.catalog
    this.#directory = parts.directory
    this.#auditTrail = parts.auditTrail
    this.#scope = parts.scope
  }

  /** A tenant by id, slug or domain, whatever its status; from the cache if it is there. */
  async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    return await this.#directory.find(lookup)
  }

  /**
   * A tenant that may be served.
   *
   * @throws {InvalidTenantRefError} {@link TenantNotFoundError} {@link TenantSuspendedError} {@link TenantOffboardingError}
   */
  async get(ref: TenantRef): Promise<Tenant> {
    return await this.#directory.get(ref)
  }

  /** Tenants in the order of their ids, a page at a time, past the cache. */
  async list(options?: TenantListOptions): Promise<TenantPage> {
    return await this.#catalog.list(options)
  }

  /**
   * Creates a tenant and opens its gate.
   *
   * @throws {InvalidTenantRefError} {@link InvalidInputError} when the input is not valid.
   * @throws {TenantExistsError} when the id, slug, a domain or a key is taken.
   */
  async create(input: CreateTenantInput): Promise<Tenant> {
    const { id, slug, ...rest } = input
    const tenant = await this.#catalog.create({
      ...rest,
      slug: parseTenantSlug(slug),
      ...(id === undefined ? {} : { id: parseTenantId(id) }),
    })
    this.#directory.invalidate(tenant.id)
    return tenant
  }

  /**
   * Changes a tenant.
   *
   * @throws {TenantNotFoundError} {@link TenantExistsError} {@link StaleTenantError} {@link RegionMismatchError}
   * @throws {OperationRequiredError} when it is given a key, and lives in another database than the catalog's.
   */
  async update(ref: TenantRef, input: UpdateTenantInput, ifEpoch?: number): Promise<Tenant> {
    const { slug, ...rest } = input
    const patch: TenantPatch = slug === undefined ? rest : { ...rest, slug: parseTenantSlug(slug) }
    if ('placement' in patch) throw new InvalidInputError('placement says where the rows are: it changes with them, and not by itself.')
    const id = await this.#idOf(ref)
    if (patch.keys !== undefined) assertKeysReachTheGate(await this.#catalog.find({ kind: 'id', id }))
    const tenant = await this.#catalog.update(id, patch, ifEpoch)
    this.#directory.invalidate(tenant.id)
    return tenant
  }

  /**
   * Sets features of this tenant alone, beside those that it has; null takes its own away, so that its plan's holds again. Every
   * process learns of it at once.
   *
   * @throws {TenantNotFoundError} {@link InvalidInputError}
   */
  async setFeatures(ref: TenantRef, features: Readonly<Record<string, Json>>): Promise<Tenant> {
    const tenant = await setOwnFeatures(this.#catalog, await this.#idOf(ref), features)
    this.#directory.invalidate(tenant.id)
    return tenant
  }

  /**
   * Suspends a tenant. When it resolves, the database refuses the tenant's statements, in every process.
   *
   * @throws {InvalidInputError} without a reason. {@link TenantNotFoundError}
   * @throws {OperationRequiredError} when the tenant lives in another database than the catalog's, or is being onboarded or off-boarded.
   */
  async suspend(ref: TenantRef, change: StatusChange): Promise<Tenant> {
    return await this.#setStatus(ref, 'suspended', 'tenant.suspend', change)
  }

  /** Lets a suspended tenant in again. Refuses what {@link suspend} refuses. */
  async resume(ref: TenantRef, change: StatusChange): Promise<Tenant> {
    return await this.#setStatus(ref, 'active', 'tenant.resume', change)
  }

  async #setStatus(ref: TenantRef, status: TenantStatus, action: string, change: StatusChange): Promise<Tenant> {
    if (typeof change?.reason !== 'string' || change.reason.trim() === '')
      throw new InvalidInputError(`${action} needs a reason: it is read by auditors.`)
    const id = await this.#idOf(ref)
    assertStatusIsTheGate(await this.#catalog.find({ kind: 'id', id }), action)
    const tenant = await this.#catalog.setStatus(id, status)
    this.#directory.invalidate(id)
    const ambient = this.#scope.tryCurrent()
    await this.#auditTrail.record({
      action,
      outcome: 'allowed',
      actor: change.actor ?? ambient?.actor ?? { kind: 'system', id: 'partywall' },
      tenantId: id,
      requestId: ambient?.requestId,
      reason: change.reason.trim(),
    })
    return tenant
  }

  /** Past the cache: a change is made to what is there, not to what was. */
  async #idOf(ref: TenantRef): Promise<TenantId> {
    const lookup = parseTenantRef(ref)
    if (lookup.kind === 'id') return lookup.id
    const tenant = await this.#catalog.find(lookup)
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
    return tenant.id
  }
}

/** Policies read a tenant's keys from its gate, which follows the catalog in the catalog's own database alone. */
function assertKeysReachTheGate(tenant: Tenant | undefined): void {
  if (tenant === undefined || tenant.placement.database === mainPlacement.database) return
  throw new OperationRequiredError(
    `Tenant ${tenant.id} lives in the database ${tenant.placement.database}, whose gate has its keys: they are given at its onboarding.`,
  )
}

/** In the catalog's own database the gate follows the status in one transaction. Everywhere else it takes an operation. */
function assertStatusIsTheGate(tenant: Tenant | undefined, action: string): void {
  if (tenant === undefined) return
  if (tenant.status === 'onboarding' || tenant.status === 'offboarding') {
    throw new OperationRequiredError(`${action}: tenant ${tenant.id} is ${tenant.status}. Retry or cancel that operation instead.`)
  }
  if (tenant.placement.database === mainPlacement.database) return
  throw new OperationRequiredError(
    `${action}: the gate of tenant ${tenant.id} is in the database ${tenant.placement.database}, which the catalog does not reach. Use the operation of that name.`,
  )
}
