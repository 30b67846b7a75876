// The cache as a tenant's code sees it.

import type { Json, TenantId } from '../../core/tenant.ts'
import { CacheUnavailableError, InvalidInputError, OverloadedError } from '../../errors.ts'
import { assertOwn, assertSegment, type CacheOwner, type CacheStore, type MaybePromise, type ScopedKey, scopedKey } from './cache.ts'

export interface TenantCachesOptions {
  readonly store: CacheStore
  /** Default 60,000. */
  readonly ttlMs?: number | undefined
  /** Longest value, serialised, in UTF-16 code units. Default 1,000,000. */
  readonly valueLengthMax?: number | undefined
  /** Loads that may be under way at once. Default 10,000. */
  readonly loadsMax?: number | undefined
}

export interface CacheSetOptions {
  /** For how long, in milliseconds. Default: the cache's. */
  readonly ttlMs?: number | undefined
  /** What the value was made of: {@link TenantCache.invalidateTags} forgets it with any of them. At most 16. */
  readonly tags?: readonly string[] | undefined
}

/** The cache of one tenant. Values are JSON: what comes out is a copy of what went in. */
export interface TenantCache {
  /** @returns undefined when there is none, it has expired, or the store does not answer. */
  get<Value extends Json>(namespace: string, key: string): Promise<Value | undefined>
  /** @throws {InvalidInputError} when the value is not JSON or longer than it may be. {@link CacheUnavailableError} */
  set(namespace: string, key: string, value: Json, options?: CacheSetOptions): Promise<void>
  /** @throws {CacheUnavailableError} */
  delete(namespace: string, key: string): Promise<void>
  /** The value, or what `load` gives: once for all who ask meanwhile. A failed load is not remembered. */
  getOrLoad<Value extends Json>(namespace: string, key: string, load: () => Promise<Value>, options?: CacheSetOptions): Promise<Value>
  /** Forgets what of this tenant has any of the tags. A step for each tag, however much there is. @throws {CacheUnavailableError} */
  invalidateTags(tags: readonly string[]): Promise<void>
  /** Forgets everything of this tenant, and of no other. One step, however much there is. @throws {CacheUnavailableError} */
  clear(): Promise<void>
}

/**
 * Makes caches for tenants over one store.
 *
 * @example
 * ```ts
 * const caches = new TenantCaches({ store: new MemoryCacheStore() })
 * const document = await caches.for(context).getOrLoad('documents', id, () => read(id))
 * ```
 */
export class TenantCaches {
  readonly #store: CacheStore
  readonly #ttlMs: number
  readonly #valueLengthMax: number
  readonly #loadsMax: number
  /** By scoped key: two tenants can never share a load. */
  readonly #loads = new Map<ScopedKey, Load>()

  constructor(options: TenantCachesOptions) {
    this.#store = options.store
    this.#ttlMs = options.ttlMs ?? 60_000
    this.#valueLengthMax = options.valueLengthMax ?? 1_000_000
    this.#loadsMax = options.loadsMax ?? 10_000
  }

  /** The cache of the context's tenant. The handle stays that tenant's, wherever it is taken. */
  for(context: CacheOwner): TenantCache {
    const { id, epoch } = context.tenant
    const keyFor = (namespace: string, key: string): MaybePromise<ScopedKey> =>
      next(this.#store.generation(id), (generation) => scopedKey({ tenantId: id, epoch, generation, namespace, key }))
    const taggedWith = async (tags: readonly string[] = []): Promise<Tagged> => {
      assertTags(tags)
      return await Promise.all(tags.map(async (tag) => [tag, await this.#store.generation(id, tag)] as const))
    }
    const read = (key: ScopedKey): MaybePromise<string | undefined> =>
      next(this.#store.get(key), (entry) => {
        if (entry === undefined) return undefined
        assertOwn(entry, id, key)
        return entry.text.startsWith(tagMark) ? unlessOutdated(entry.text) : entry.text
      })
    const unlessOutdated = async (stored: string): Promise<string | undefined> => {
      const { tagged, text } = withoutTags(stored)
      const now = await taggedWith(tagged.map(([tag]) => tag))
      return now.every(([, generation], i) => generation === tagged[i]?.[1]) ? text : undefined
    }
    const write = (key: ScopedKey, text: string, tagged: Tagged, ttlMs: number | undefined): Promise<void> =>
      this.#store.set({ tenantId: id, key, text: withTags(tagged, text) }, checkedTtl(ttlMs ?? this.#ttlMs))

    return Object.freeze({
      get: async <Value extends Json>(namespace: string, key: string) => {
        const text = await unlessDown(() => next(keyFor(namespace, key), read))
        return text === undefined ? undefined : (JSON.parse(text) as Value)
      },
      set: async (namespace: string, key: string, value: Json, options?: CacheSetOptions) => {
        const scoped = await keyFor(namespace, key)
        const text = this.#serialise(value)
        const tagged = await taggedWith(options?.tags)
        this.#supersede(scoped)
        await write(scoped, text, tagged, options?.ttlMs)
      },
      delete: async (namespace: string, key: string) => {
        const scoped = await keyFor(namespace, key)
        this.#supersede(scoped)
        await this.#store.delete(scoped)
      },
      getOrLoad: async <Value extends Json>(namespace: string, key: string, load: () => Promise<Value>, options?: CacheSetOptions) => {
        const tags = options?.tags ?? []
        assertTags(tags)
        const scoped = await unlessDown(() => keyFor(namespace, key))
        // Without a generation there is no key to share a load by, nor to store it under.
        if (scoped === undefined) return JSON.parse(this.#serialise(await load())) as Value
        const known = await unlessDown(() => read(scoped))
        if (known !== undefined) return JSON.parse(known) as Value
        const loaded = async (): Promise<Loaded> => {
          // As they are before the load: what was invalidated meanwhile is not found afterwards.
          const tagged = tags.length === 0 ? [] : await unlessDown(() => taggedWith(tags))
          const text = this.#serialise(await load())
          const store = async () => {
            if (tagged !== undefined) await unlessDown(() => write(scoped, text, tagged, options?.ttlMs))
          }
          return { text, store }
        }
        return JSON.parse(await this.#loadOnce({ key: scoped, tenantId: id, tags }, loaded)) as Value
      },
      invalidateTags: async (tags: readonly string[]) => {
        assertTags(tags)
        for (const [key, load] of this.#loads) {
          if (load.tenantId === id && load.tags.some((tag) => tags.includes(tag))) this.#supersede(key)
        }
        await Promise.all(tags.map((tag) => this.#store.advance(id, tag)))
      },
      clear: () => this.#store.advance(id),
    })
  }

  /**
   * The text of the loaded value. The key has the generation from before the load: what was loaded while the tenant was
   * cleared is stored where nobody looks any more.
   */
  #loadOnce({ key, tenantId, tags }: Loading, load: () => Promise<Loaded>): Promise<string> {
    const underWay = this.#loads.get(key)
    if (underWay !== undefined) return underWay.promise
    if (this.#loads.size >= this.#loadsMax) {
      throw new OverloadedError(`${this.#loads.size} cache loads are under way (loadsMax ${this.#loadsMax}).`, {
        details: { bound: 'loadsMax', value: this.#loadsMax },
      })
    }
    const run = async (): Promise<string> => {
      // Not before the load is registered.
      await undefined
      try {
        const { text, store } = await load()
        if (!started.superseded) await store()
        return text
      } finally {
        if (this.#loads.get(key) === started) this.#loads.delete(key)
      }
    }
    const started: Load = { promise: run(), tenantId, tags, superseded: false }
    this.#loads.set(key, started)
    return started.promise
  }

  /** What is being loaded was read before this change: it is answered to who asked before, and not stored. */
  #supersede(key: ScopedKey): void {
    const underWay = this.#loads.get(key)
    if (underWay === undefined) return
    underWay.superseded = true
    this.#loads.delete(key)
  }

  #serialise(value: Json): string {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw new InvalidInputError('The value is not JSON, so it cannot be cached.')
    if (text.length > this.#valueLengthMax) {
      throw new InvalidInputError(`The value has ${text.length} characters of JSON (valueLengthMax ${this.#valueLengthMax}).`)
    }
    return text
  }
}

interface Loading {
  readonly key: ScopedKey
  readonly tenantId: TenantId
  readonly tags: readonly string[]
}

interface Loaded {
  readonly text: string
  readonly store: () => Promise<void>
}

interface Load extends Omit<Loading, 'key'> {
  readonly promise: Promise<string>
  superseded: boolean
}

/** Tags, each with its generation. */
type Tagged = readonly (readonly [tag: string, generation: string])[]

/** No JSON begins with it. */
const tagMark = '#'
const tagsMax = 16

function withTags(tagged: Tagged, text: string): string {
  if (tagged.length === 0) return text
  const head = JSON.stringify(tagged)
  return `${tagMark}${head.length}:${head}${text}`
}

function withoutTags(text: string): { readonly tagged: Tagged; readonly text: string } {
  const start = text.indexOf(':') + 1
  const end = start + Number.parseInt(text.slice(tagMark.length), 10)
  // As withTags() wrote it.
  return { tagged: JSON.parse(text.slice(start, end)) as Tagged, text: text.slice(end) }
}

function assertTags(tags: readonly string[]): void {
  if (!Array.isArray(tags) || tags.length > tagsMax) throw new InvalidInputError(`A cache entry has at most ${tagsMax} tags, in a list.`)
  for (const tag of tags) assertSegment('tag', tag)
}

/** Undefined when the store does not answer: what is read there is only a copy. Changes are not lost so. */
function unlessDown<T>(ask: () => MaybePromise<T>): MaybePromise<T | undefined> {
  try {
    const answer = ask()
    return answer instanceof Promise ? answer.catch(undefinedIfDown) : answer
  } catch (error) {
    return undefinedIfDown(error)
  }
}

function undefinedIfDown(error: unknown): undefined {
  if (!(error instanceof CacheUnavailableError)) throw error
}

/** As soon as the value is there, which may be now. */
function next<T, R>(value: MaybePromise<T>, then: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(then) : then(value)
}

function checkedTtl(ttlMs: number): number {
  if (Number.isFinite(ttlMs) && ttlMs > 0) return ttlMs
  throw new InvalidInputError(`ttlMs is ${ttlMs}. Give a number above 0.`)
}
