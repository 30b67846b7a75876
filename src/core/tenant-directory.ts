// The tenants, as they are looked up: the catalog behind a bounded cache. A cache may be late, never wrong about who may do
// what: a suspended tenant is refused by the database itself, whatever is remembered here.
//
//   find(lookup) ── remembered and fresh? ──────────────────────────────────────► answer
//        │ no                                                                        ▲
//        └─► a flight under way for this lookup? ── join it ──► catalog.find ── remember, unless a change came meanwhile
//
// A known and an unknown tenant take the same path and are remembered for the same time, so that how long an answer takes
// does not tell one from the other.

import { LRUCache } from 'lru-cache'
import {
  ClosedError,
  OverloadedError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantOnboardingError,
  TenantSuspendedError,
} from '../errors.ts'
import type { Catalog, TenantLookup } from './catalog.ts'
import { type Clock, systemClock } from './clock.ts'
import { parseTenantRef, type Tenant, type TenantId, type TenantRef } from './tenant.ts'
import { runOutside } from './tenant-context.ts'
import { parseTenantDomain } from './tenant-domain.ts'

export interface TenantDirectoryOptions {
  readonly catalog: Catalog
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Tenants that are remembered. Default 10,000. */
  readonly tenantsMax?: number | undefined
  /** Lookups that found nothing and are remembered. Default 10,000. */
  readonly absentMax?: number | undefined
  /** For how long a tenant is believed without asking again. Default 10,000. */
  readonly ttlMs?: number | undefined
  /** For how long an absence is believed. Default: `ttlMs`; less than that tells an outsider the two apart. */
  readonly absentTtlMs?: number | undefined
  /** Different lookups that may be under way at the catalog. Default 1,000. */
  readonly lookupsMax?: number | undefined
}

/** One lookup under way. It is stale once a change arrives that may concern it. */
interface Flight {
  readonly id: TenantId | undefined
  readonly promise: Promise<Tenant | undefined>
  stale: boolean
}

interface Remembered {
  readonly tenant: Tenant
  readonly until: number
}

/** Finds tenants by id, slug or domain. */
export class TenantDirectory {
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #absentTtlMs: number
  readonly #lookupsMax: number
  readonly #tenants: LRUCache<TenantId, Remembered>
  /** Slugs and domains → ids. Only a hint: the tenant that it leads to must still bear the name. */
  readonly #names: LRUCache<string, TenantId>
  /** Lookups that found nothing → until when that is believed. */
  readonly #absent: LRUCache<string, number>
  readonly #flights = new Map<string, Flight>()
  #unwatch: (() => Promise<void>) | undefined
  #closed = false

  /** A directory that does not watch the catalog yet. Use {@link open}. */
  private constructor(options: TenantDirectoryOptions) {
    const { tenantsMax = 10_000, absentMax = 10_000, ttlMs = 10_000 } = options
    this.#catalog = options.catalog
    this.#clock = options.clock ?? systemClock
    this.#ttlMs = ttlMs
    this.#absentTtlMs = options.absentTtlMs ?? ttlMs
    this.#lookupsMax = options.lookupsMax ?? 1_000
    this.#tenants = new LRUCache({ max: tenantsMax })
    this.#names = new LRUCache({ max: tenantsMax * 2 })
    this.#absent = new LRUCache({ max: absentMax })
  }

  /** Opens a directory that hears of the catalog's changes. Close it. */
  static async open(options: TenantDirectoryOptions): Promise<TenantDirectory> {
    const directory = new TenantDirectory(options)
    directory.#unwatch = await options.catalog.watch((ids) => directory.#forget(ids))
    return directory
  }

  /**
   * The tenant that may be served now.
   *
   * @throws {InvalidTenantRefError} when the reference is not canonical.
   * @throws {TenantNotFoundError} when there is no such tenant.
   * @throws {TenantSuspendedError}
   * @throws {TenantOffboardingError}
   */
  async get(ref: TenantRef): Promise<Tenant> {
    const lookup = parseTenantRef(ref)
    const tenant = await this.find(lookup)
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
    assertServed(tenant)
    return tenant
  }

  /** The tenant whatever its status, or undefined. Failures of the catalog are thrown and never remembered. */
  async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    if (this.#closed) throw new ClosedError('The tenant directory is closed.')
    const key = keyOf(lookup)
    const now = this.#clock.monotonic()
    const remembered = this.#recall(lookup, key, now)
    if (remembered !== undefined) return remembered
    if ((this.#absent.get(key) ?? Number.NEGATIVE_INFINITY) > now) return undefined
    return await (this.#flights.get(key) ?? this.#depart(lookup, key)).promise
  }

  /** The tenant by its id, whatever its status, if it is remembered: nobody is asked. */
  tryFind(id: TenantId): Tenant | undefined {
    return this.#recall({ kind: 'id', id }, id, this.#clock.monotonic())
  }

  /** The tenant by a slug or an id as text, whatever its status. @throws {InvalidTenantRefError} */
  async findByRef(ref: TenantRef): Promise<Tenant | undefined> {
    return await this.find(parseTenantRef(ref))
  }

  /** The tenant by a host name of its own, whatever its status. @throws {InvalidTenantRefError} */
  async findByDomain(domain: string): Promise<Tenant | undefined> {
    return await this.find({ kind: 'domain', domain: parseTenantDomain(domain) })
  }

  /** Forgets one tenant: the next lookup asks the catalog. */
  invalidate(id: TenantId): void {
    this.#forget([id])
  }

  /** How much is remembered. */
  stats(): { readonly tenants: number; readonly absent: number; readonly lookups: number } {
    return { tenants: this.#tenants.size, absent: this.#absent.size, lookups: this.#flights.size }
  }

  /** Stops watching and answering. */
  async close(): Promise<void> {
    this.#closed = true
    this.#tenants.clear()
    this.#names.clear()
    this.#absent.clear()
    await this.#unwatch?.()
    this.#unwatch = undefined
  }

  #recall(lookup: TenantLookup, key: string, now: number): Tenant | undefined {
    const id = lookup.kind === 'id' ? lookup.id : this.#names.get(key)
    const remembered = id === undefined ? undefined : this.#tenants.get(id)
    if (remembered === undefined || remembered.until <= now || !bears(remembered.tenant, lookup)) return undefined
    return remembered.tenant
  }

  /** Asks the catalog, once for everybody who asks the same meanwhile. */
  #depart(lookup: TenantLookup, key: string): Flight {
    if (this.#flights.size >= this.#lookupsMax) {
      throw new OverloadedError(`${this.#flights.size} tenant lookups are under way (lookupsMax ${this.#lookupsMax}).`, {
        details: { bound: 'lookupsMax', value: this.#lookupsMax },
      })
    }
    const ask = async (): Promise<Tenant | undefined> => {
      // Not before the flight is registered.
      await undefined
      try {
        const tenant = await this.#catalog.find(lookup)
        if (!flight.stale && !this.#closed) this.#remember(key, tenant)
        return tenant
      } finally {
        // A stale flight may have been replaced: then what is registered now is another's.
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
      }
    }
    // A flight is shared, so it belongs to nobody: no caller's context may be seen by the catalog's callbacks.
    const flight: Flight = { id: lookup.kind === 'id' ? lookup.id : undefined, promise: runOutside(ask), stale: false }
    this.#flights.set(key, flight)
    return flight
  }

  #remember(key: string, tenant: Tenant | undefined): void {
    const now = this.#clock.monotonic()
    if (tenant === undefined) {
      this.#absent.set(key, now + this.#absentTtlMs)
      return
    }
    const known = this.#tenants.get(tenant.id)
    // Two flights may land in the other order; the epoch is the truth.
    if (known === undefined || known.tenant.epoch <= tenant.epoch) this.#tenants.set(tenant.id, { tenant, until: now + this.#ttlMs })
    if (key !== tenant.id) this.#names.set(key, tenant.id)
  }

  #forget(ids: readonly TenantId[] | undefined): void {
    if (ids === undefined) this.#tenants.clear()
    else for (const id of ids) this.#tenants.delete(id)
    // Nobody knows which names a changed tenant has now: absences, and lookups by name under way, may all be untrue.
    this.#absent.clear()
    for (const [key, flight] of this.#flights) {
      if (ids !== undefined && flight.id !== undefined && !ids.includes(flight.id)) continue
      flight.stale = true
      this.#flights.delete(key)
    }
  }
}

/**
 * @throws {TenantSuspendedError}
 * @throws {TenantOffboardingError}
 */
export function assertServed(tenant: Tenant): void {
  switch (tenant.status) {
    case 'active':
      return
    case 'onboarding':
      throw new TenantOnboardingError(`Tenant ${tenant.id} is being set up.`)
    case 'suspended':
      throw new TenantSuspendedError(`Tenant ${tenant.id} is suspended.`)
    case 'offboarding':
      throw new TenantOffboardingError(`Tenant ${tenant.id} is being off-boarded.`)
  }
}

/** Ids have no colon, and the kinds differ in their first letters: no two lookups share a key. */
function keyOf(lookup: TenantLookup): string {
  switch (lookup.kind) {
    case 'id':
      return lookup.id
    case 'slug':
      return `slug:${lookup.slug}`
    case 'domain':
      return `domain:${lookup.domain}`
  }
}

function bears(tenant: Tenant, lookup: TenantLookup): boolean {
  switch (lookup.kind) {
    case 'id':
      return tenant.id === lookup.id
    case 'slug':
      return tenant.slug === lookup.slug
    case 'domain':
      return tenant.domains.includes(lookup.domain)
  }
}
