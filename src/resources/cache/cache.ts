// A cache behind the wall. There is no way to name an entry without a tenant: a handle is made for one context, and what it
// writes is keyed by
//
//   tenant id · tenant epoch · generation · namespace · key          each segment with its length in front
//
// so that no two lists of segments give one key (`a:b` + `c` is not `a` + `b:c`), a change of the tenant leaves older entries
// behind, and clearing a tenant is one number. A value is stored as text: nobody shares an object with anybody.

import type { TenantId } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { InvalidInputError, WrongTenantError } from '../../errors.ts'

declare const brand: unique symbol

/** A complete key. Only {@link scopedKey} makes one. */
export type ScopedKey = string & { readonly [brand]: 'ScopedKey' }

/** What an adapter stores. It says whose it is, and that is checked when it is read. */
export interface CacheEntry {
  readonly tenantId: TenantId
  readonly key: ScopedKey
  /** JSON. */
  readonly text: string
}

export type MaybePromise<T> = T | Promise<T>

/**
 * The port. Adapters store entries for a time, up to a bound for all and one for each tenant, and name generations. Conformance:
 * test/resources/cache-conformance.ts.
 */
export interface CacheStore {
  /** What is at hand may be answered at once: a hit in memory waits for nothing. */
  get(key: ScopedKey): MaybePromise<CacheEntry | undefined>
  set(entry: CacheEntry, ttlMs: number): Promise<void>
  delete(key: ScopedKey): Promise<void>
  /** The generation of the tenant, or of one of its tags: a name that {@link advance} has not used before. */
  generation(tenantId: TenantId, tag?: string): MaybePromise<string>
  /** A new generation: every older entry of the tenant, or with the tag, is out of reach, in one step however many there are. */
  advance(tenantId: TenantId, tag?: string): Promise<void>
}

/** Longest namespace and longest key, in UTF-16 code units. */
export const cacheKeyLengthMax = 512

/** The parts of a key. */
export interface KeyParts {
  readonly tenantId: TenantId
  readonly epoch: number
  readonly generation: string
  readonly namespace: string
  readonly key: string
}

/** @throws {InvalidInputError} when the namespace or the key is empty, too long or not text. */
export function scopedKey(parts: KeyParts): ScopedKey {
  assertSegment('namespace', parts.namespace)
  assertSegment('key', parts.key)
  const { tenantId, epoch, generation, namespace, key } = parts
  return `${measured(tenantId)}${measured(String(epoch))}${measured(generation)}${measured(namespace)}${measured(key)}` as ScopedKey
}

function measured(segment: string): string {
  return `${segment.length}:${segment}`
}

/** The tenant that a key begins with. */
export function tenantOfKey(key: ScopedKey): TenantId {
  const start = key.indexOf(':') + 1
  // Only scopedKey() makes a key, and of a tenant's id.
  return key.slice(start, start + Number.parseInt(key, 10)) as TenantId
}

/** @throws {WrongTenantError} when the store answers with somebody else's entry. It is a bug of the store, never served. */
export function assertOwn(entry: CacheEntry, tenantId: TenantId, key: ScopedKey): void {
  if (entry.tenantId === tenantId && entry.key === key) return
  throw new WrongTenantError(`The cache answered tenant ${tenantId} with an entry of tenant ${entry.tenantId}. The entry was not served.`)
}

/** The tenant of a handle: a whole context, so that a bare id from a request cannot open anybody's cache. */
export type CacheOwner = Pick<TenantContext, 'tenant'>

/** @throws {InvalidInputError} */
export function assertSegment(name: string, segment: unknown): void {
  if (typeof segment === 'string' && segment.length > 0 && segment.length <= cacheKeyLengthMax && segment.isWellFormed()) return
  throw new InvalidInputError(`The ${name} of a cache entry is not a text of 1 to ${cacheKeyLengthMax} characters.`)
}
