// The catalog in memory: for tests and for trying things out. It has no gates: in production the PostgreSQL adapter changes a
// tenant's row and its gate in one transaction.

import { AsyncLocalStorage } from 'node:async_hooks'
import { v7 as uuidv7 } from 'uuid'
import { InvalidInputError, RegionMismatchError, StaleTenantError, TenantExistsError, TenantNotFoundError } from '../errors.ts'
import type { Catalog, NewTenant, TenantChangeListener, TenantListOptions, TenantLookup, TenantPage, TenantPatch } from './catalog.ts'
import { type Clock, systemClock } from './clock.ts'
import { parseTenantId, type Tenant, type TenantId, type TenantStatus } from './tenant.ts'
import {
  assertNeverOpened,
  checkedEpoch,
  checkedListOptions,
  checkedNewTenant,
  checkedSha256,
  checkedStatus,
  checkedTenantPatch,
} from './tenant-input.ts'
import { keysWith } from './tenant-key.ts'

export class MemoryCatalog implements Catalog {
  readonly #tenants = new Map<TenantId, Tenant>()
  readonly #listeners = new Set<TenantChangeListener>()
  readonly #clock: Clock
  readonly #region: string
  readonly #gone = new Set<string>()
  /** Of tenants that were removed: the hash of the certificate, or nothing yet. */
  readonly #certificates = new Map<TenantId, string | undefined>()

  constructor(options: { readonly clock?: Clock | undefined; readonly region?: string | undefined } = {}) {
    this.#clock = options.clock ?? systemClock
    this.#region = options.region ?? 'default'
  }

  async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    if (lookup.kind === 'id') return this.#tenants.get(lookup.id)
    return [...this.#tenants.values()].find((tenant) =>
      lookup.kind === 'slug' ? tenant.slug === lookup.slug : tenant.domains.includes(lookup.domain),
    )
  }

  async create(input: NewTenant): Promise<Tenant> {
    const checked = checkedNewTenant(input)
    const id = checked.id ?? parseTenantId(uuidv7())
    if (this.#tenants.has(id)) throw new TenantExistsError('A tenant with this id exists already.')
    const now = new Date(this.#clock.now())
    return this.#store({ ...checked, ownFeatures: checked.features, id, version: undefined, epoch: 1, createdAt: now, updatedAt: now })
  }

  async update(id: TenantId, patch: TenantPatch, ifEpoch?: number): Promise<Tenant> {
    const checked = checkedTenantPatch(patch)
    const before = this.#existing(id)
    if (checkedEpoch(ifEpoch) !== undefined && before.epoch !== ifEpoch) {
      throw new StaleTenantError(`Tenant ${id} is at epoch ${before.epoch}, not ${ifEpoch}. Read it again and repeat the change.`)
    }
    const keys = keysWith(before.keys, checked.keys ?? {})
    const parentId = checked.parentId === undefined ? before.parentId : (checked.parentId ?? undefined)
    const ownFeatures = checked.features ?? before.ownFeatures
    return this.#store({ ...before, ...(checked as Partial<Tenant>), ownFeatures, parentId, keys, ...this.#nextEpoch(before) })
  }

  async setStatus(id: TenantId, status: TenantStatus): Promise<Tenant> {
    const checked = checkedStatus(status)
    const before = this.#existing(id)
    return this.#store({ ...before, status: checked, ...this.#nextEpoch(before) })
  }

  async remove(id: TenantId): Promise<void> {
    const tenant = this.#existing(id)
    if (tenant.status !== 'offboarding')
      throw new InvalidInputError(`Tenant ${id} is ${tenant.status}: only one that is being off-boarded is removed.`)
    for (const other of this.#tenants.values()) {
      if (other.parentId === id) throw new InvalidInputError(`Tenant ${id} is above others: give them another parent first.`)
    }
    this.#tenants.delete(id)
    this.#gone.add(id).add(tenant.slug)
    this.#certificates.set(id, undefined)
    this.#announce(id)
  }

  async discard(id: TenantId): Promise<void> {
    assertNeverOpened(this.#existing(id))
    this.#tenants.delete(id)
    this.#announce(id)
  }

  async noteCertificate(id: TenantId, sha256: string): Promise<void> {
    const checked = checkedSha256(sha256)
    if (!this.#certificates.has(parseTenantId(id))) throw new TenantNotFoundError(`No tenant ${id} was removed.`)
    const before = this.#certificates.get(id)
    if (before !== undefined && before !== checked) throw new InvalidInputError(`The purge of tenant ${id} has another certificate.`)
    this.#certificates.set(id, checked)
  }

  async list(options: TenantListOptions = {}): Promise<TenantPage> {
    const { limit, after, status, plan, region, isolation, database, parentId } = checkedListOptions(options)
    const tenants = [...this.#tenants.values()]
      .filter((tenant) => after === undefined || tenant.id > after)
      .filter((tenant) => status === undefined || tenant.status === status)
      .filter((tenant) => plan === undefined || tenant.plan === plan)
      .filter((tenant) => region === undefined || tenant.region === region)
      .filter((tenant) => isolation === undefined || tenant.placement.isolation === isolation)
      .filter((tenant) => database === undefined || tenant.placement.database === database)
      .filter((tenant) => parentId === undefined || tenant.parentId === parentId)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    const page = tenants.slice(0, limit)
    return { tenants: page, next: tenants.length > limit ? page.at(-1)?.id : undefined }
  }

  async watch(listener: TenantChangeListener): Promise<() => Promise<void>> {
    // Whoever changes a tenant does not lend its context to whoever watches.
    const inOwnContext = AsyncLocalStorage.snapshot()
    const told: TenantChangeListener = (ids) => inOwnContext(listener, ids)
    this.#listeners.add(told)
    return async () => {
      this.#listeners.delete(told)
    }
  }

  #existing(id: TenantId): Tenant {
    const tenant = this.#tenants.get(parseTenantId(id))
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${id}.`)
    return tenant
  }

  #nextEpoch(before: Tenant): Pick<Tenant, 'epoch' | 'updatedAt'> {
    return { epoch: before.epoch + 1, updatedAt: new Date(this.#clock.now()) }
  }

  #store(tenant: Tenant): Tenant {
    if (this.#gone.has(tenant.id) || this.#gone.has(tenant.slug))
      throw new TenantExistsError('The id or the name was that of a tenant that is gone.')
    if (tenant.region !== this.#region)
      throw new RegionMismatchError(`The tenant's region is ${tenant.region}, and its server is in ${this.#region}.`)
    for (let above = tenant.parentId; above !== undefined; above = this.#existing(above).parentId) {
      if (above === tenant.id) throw new InvalidInputError('A tenant cannot be above itself.')
    }
    for (const other of this.#tenants.values()) {
      if (other.id === tenant.id) continue
      if (other.slug === tenant.slug) throw new TenantExistsError(`The slug ${tenant.slug} is taken.`)
      const taken = tenant.domains.find((domain) => other.domains.includes(domain))
      if (taken !== undefined) throw new TenantExistsError(`The domain ${taken} is taken.`)
      for (const type of ['bigint', 'text'] as const) {
        const key = tenant.keys[type]
        if (key !== undefined && other.keys[type] === key) throw new TenantExistsError(`The ${type} key is taken.`)
      }
    }
    this.#tenants.set(tenant.id, Object.freeze(tenant))
    this.#announce(tenant.id)
    return tenant
  }

  #announce(id: TenantId): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener([id]))
  }
}
