// The cache in this process: bounded by entries and by size, the least recently used dropped first; and for each tenant by its share, past
// which what it stored first makes room, and nothing of a neighbour's.

import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from '../../core/clock.ts'
import type { TenantId } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'
import type { CacheEntry, CacheStore, ScopedKey } from './cache.ts'

export interface MemoryCacheStoreOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Default 10,000. */
  readonly entriesMax?: number | undefined
  /** Keys and values together, in UTF-16 code units. Default 64,000,000. */
  readonly lengthMax?: number | undefined
  /** What one tenant may fill of both, 0 to 1. Default a quarter. */
  readonly tenantShare?: number | undefined
  /** Tenants whose generation is remembered. Default 10,000. */
  readonly tenantsMax?: number | undefined
}

interface TenantShare {
  generation: number
  readonly tags: Map<string, number>
  /** The oldest first. */
  readonly keys: Set<ScopedKey>
  length: number
}

const tagsMax = 1_000

/** @see CacheStore */
export class MemoryCacheStore implements CacheStore {
  readonly #clock: Clock
  readonly #entries: LRUCache<ScopedKey, { readonly entry: CacheEntry; readonly until: number }>
  readonly #tenants: LRUCache<TenantId, TenantShare>
  readonly #tenantEntriesMax: number
  readonly #tenantLengthMax: number
  /**
   * Generations are numbered across all tenants and tags. One whose number was dropped gets a fresh one, so that an old entry
   * cannot come back; it costs that tenant its cache, which it hardly used.
   */
  #latestGeneration = 0

  /** @throws {ConfigurationError} */
  constructor(options: MemoryCacheStoreOptions = {}) {
    const { entriesMax = 10_000, lengthMax = 64_000_000, tenantShare = 0.25 } = options
    if (!(tenantShare > 0 && tenantShare <= 1)) throw new ConfigurationError(`tenantShare is ${tenantShare}; it may be above 0, up to 1.`)
    this.#clock = options.clock ?? systemClock
    this.#tenantEntriesMax = Math.max(1, Math.floor(entriesMax * tenantShare))
    this.#tenantLengthMax = lengthMax * tenantShare
    this.#entries = new LRUCache({
      max: entriesMax,
      maxSize: lengthMax,
      sizeCalculation: ({ entry }) => lengthOf(entry),
      dispose: ({ entry }) => this.#forget(entry),
    })
    this.#tenants = new LRUCache({
      max: options.tenantsMax ?? 10_000,
      // Nobody could find them any more.
      dispose: ({ keys }) => {
        for (const key of [...keys]) this.#entries.delete(key)
      },
    })
  }

  get(key: ScopedKey): CacheEntry | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    if (found.until > this.#clock.monotonic()) return found.entry
    this.#entries.delete(key)
    return undefined
  }

  async set(entry: CacheEntry, ttlMs: number): Promise<void> {
    this.#entries.delete(entry.key)
    const share = this.#shareOf(entry.tenantId)
    const length = lengthOf(entry)
    if (length > this.#tenantLengthMax) return
    for (const oldest of share.keys) {
      if (share.keys.size < this.#tenantEntriesMax && share.length + length <= this.#tenantLengthMax) break
      this.#entries.delete(oldest)
    }
    share.keys.add(entry.key)
    share.length += length
    this.#entries.set(entry.key, { entry: Object.freeze({ ...entry }), until: this.#clock.monotonic() + ttlMs })
  }

  async delete(key: ScopedKey): Promise<void> {
    this.#entries.delete(key)
  }

  generation(tenantId: TenantId, tag?: string): string {
    const share = this.#shareOf(tenantId)
    return String(tag === undefined ? share.generation : (share.tags.get(tag) ?? this.#advanceTag(share, tag)))
  }

  async advance(tenantId: TenantId, tag?: string): Promise<void> {
    const share = this.#shareOf(tenantId)
    if (tag === undefined) share.generation = ++this.#latestGeneration
    else this.#advanceTag(share, tag)
  }

  #advanceTag({ tags }: TenantShare, tag: string): number {
    const fresh = ++this.#latestGeneration
    tags.delete(tag)
    const [oldest] = tags.keys()
    if (tags.size >= tagsMax && oldest !== undefined) tags.delete(oldest)
    tags.set(tag, fresh)
    return fresh
  }

  /** How much is stored. */
  stats(): { readonly entries: number; readonly length: number; readonly tenants: number } {
    return { entries: this.#entries.size, length: this.#entries.calculatedSize, tenants: this.#tenants.size }
  }

  #shareOf(tenantId: TenantId): TenantShare {
    const known = this.#tenants.get(tenantId)
    if (known !== undefined) return known
    const fresh: TenantShare = { generation: ++this.#latestGeneration, tags: new Map(), keys: new Set(), length: 0 }
    this.#tenants.set(tenantId, fresh)
    return fresh
  }

  #forget(entry: CacheEntry): void {
    const share = this.#tenants.peek(entry.tenantId)
    if (share?.keys.delete(entry.key) === true) share.length -= lengthOf(entry)
  }
}

function lengthOf({ key, text }: CacheEntry): number {
  return key.length + text.length
}
