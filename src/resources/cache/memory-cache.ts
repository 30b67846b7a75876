// The cache in this process: bounded by entries and by size, the least recently used dropped first.

import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from '../../core/clock.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { CacheEntry, CacheStore, ScopedKey } from './cache.ts'

export interface MemoryCacheStoreOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Default 10,000. */
  readonly entriesMax?: number | undefined
  /** Keys and values together, in UTF-16 code units. Default 64,000,000. */
  readonly lengthMax?: number | undefined
  /** Tenants whose generation is remembered. Default 10,000. */
  readonly tenantsMax?: number | undefined
}

/** @see CacheStore */
export class MemoryCacheStore implements CacheStore {
  readonly #clock: Clock
  readonly #entries: LRUCache<ScopedKey, { readonly entry: CacheEntry; readonly until: number }>
  readonly #generations: LRUCache<TenantId, number>
  /**
   * Generations are numbered across all tenants. A tenant whose number was dropped gets a fresh one, so that an old entry
   * cannot come back; it costs that tenant its cache, which it hardly used.
   */
  #latestGeneration = 0

  constructor(options: MemoryCacheStoreOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#entries = new LRUCache({
      max: options.entriesMax ?? 10_000,
      maxSize: options.lengthMax ?? 64_000_000,
      sizeCalculation: ({ entry }) => entry.key.length + entry.text.length,
    })
    this.#generations = new LRUCache({ max: options.tenantsMax ?? 10_000 })
  }

  async get(key: ScopedKey): Promise<CacheEntry | undefined> {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    if (found.until > this.#clock.monotonic()) return found.entry
    this.#entries.delete(key)
    return undefined
  }

  async set(entry: CacheEntry, ttlMs: number): Promise<void> {
    this.#entries.set(entry.key, { entry: Object.freeze({ ...entry }), until: this.#clock.monotonic() + ttlMs })
  }

  async delete(key: ScopedKey): Promise<void> {
    this.#entries.delete(key)
  }

  async generation(tenantId: TenantId): Promise<string> {
    return String(this.#generations.get(tenantId) ?? this.#nextGeneration(tenantId))
  }

  async advance(tenantId: TenantId): Promise<void> {
    this.#nextGeneration(tenantId)
  }

  /** How much is stored. */
  stats(): { readonly entries: number; readonly length: number; readonly tenants: number } {
    return { entries: this.#entries.size, length: this.#entries.calculatedSize, tenants: this.#generations.size }
  }

  #nextGeneration(tenantId: TenantId): number {
    this.#latestGeneration += 1
    this.#generations.set(tenantId, this.#latestGeneration)
    return this.#latestGeneration
  }
}
