// The catalog as an application sees it: each tenant with the features of its plan behind its own.

import type { Catalog, NewTenant, TenantChangeListener, TenantListOptions, TenantLookup, TenantPage, TenantPatch } from './catalog.ts'
import type { Plans } from './plans.ts'
import type { Tenant, TenantId, TenantStatus } from './tenant.ts'

/** @see Catalog */
export class PlannedCatalog implements Catalog {
  readonly #catalog: Catalog
  readonly #plans: Plans

  constructor(catalog: Catalog, plans: Plans) {
    this.#catalog = catalog
    this.#plans = plans
  }

  async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    const tenant = await this.#catalog.find(lookup)
    return tenant && this.#plans.applyTo(tenant)
  }

  async create(tenant: NewTenant): Promise<Tenant> {
    return this.#plans.applyTo(await this.#catalog.create(tenant))
  }

  async update(id: TenantId, patch: TenantPatch, ifEpoch?: number): Promise<Tenant> {
    return this.#plans.applyTo(await this.#catalog.update(id, patch, ifEpoch))
  }

  async setStatus(id: TenantId, status: TenantStatus): Promise<Tenant> {
    return this.#plans.applyTo(await this.#catalog.setStatus(id, status))
  }

  async remove(id: TenantId): Promise<void> {
    await this.#catalog.remove(id)
  }

  async discard(id: TenantId): Promise<void> {
    await this.#catalog.discard(id)
  }

  async noteCertificate(id: TenantId, sha256: string): Promise<void> {
    await this.#catalog.noteCertificate(id, sha256)
  }

  async list(options?: TenantListOptions): Promise<TenantPage> {
    const page = await this.#catalog.list(options)
    return { ...page, tenants: page.tenants.map((tenant) => this.#plans.applyTo(tenant)) }
  }

  async watch(listener: TenantChangeListener): Promise<() => Promise<void>> {
    return await this.#catalog.watch(listener)
  }
}
