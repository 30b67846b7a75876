// Which tenants are worth a line of their own in a chart: those that use the most. Of thousands, each as a label, no store of metrics is fond.

import { LRUCache } from 'lru-cache'
import type { Tenant, TenantId } from './tenant.ts'

export interface TopTenantsOptions {
  /** How many have a label of their own, at most: 0 to 1,000. */
  readonly tenantsMax: number
  /** Of those that are watched for it, so many for each place. Default 10. */
  readonly watchedPerPlace?: number | undefined
  /** Told who has lost its place, by label. */
  readonly onLeft: (slug: string) => void
}

interface Watched {
  readonly slug: string
  /** Halved at each choice: who was busy once is not for ever. */
  weight: number
}

export class TopTenants {
  readonly #tenantsMax: number
  readonly #onLeft: (slug: string) => void
  readonly #watched: LRUCache<TenantId, Watched>
  #top: ReadonlyMap<TenantId, string> = new Map()

  constructor({ tenantsMax, watchedPerPlace = 10, onLeft }: TopTenantsOptions) {
    this.#tenantsMax = tenantsMax
    this.#onLeft = onLeft
    this.#watched = new LRUCache({ max: Math.max(1, tenantsMax * watchedPerPlace) })
  }

  /** Adds to what it used, and says its label; undefined when it is one of the rest. */
  labelOf(tenant: Tenant, weight: number): string | undefined {
    const watched = this.#watched.get(tenant.id)
    if (watched === undefined) this.#watched.set(tenant.id, { slug: tenant.slug, weight })
    else watched.weight += weight
    const label = this.#top.get(tenant.id)
    // Nobody else wants the place yet.
    if (label === undefined && this.#top.size < this.#tenantsMax) {
      this.#top = new Map(this.#top).set(tenant.id, tenant.slug)
      return tenant.slug
    }
    return label
  }

  /** Gives the places to those that used the most lately. Call it now and then. */
  choose(): void {
    const busiest = [...this.#watched.entries()].sort(([, a], [, b]) => b.weight - a.weight).slice(0, this.#tenantsMax)
    const chosen = new Map(busiest.filter(([, { weight }]) => weight > 0).map(([id, { slug }]) => [id, slug]))
    const before = this.#top
    this.#top = chosen
    for (const watched of this.#watched.values()) watched.weight /= 2
    for (const [id, slug] of before) if (!chosen.has(id)) this.#onLeft(slug)
  }
}
