// The cache in Redis or Valkey, shared by all processes, with a memory in front that the server itself keeps honest: it tells each client
// which of the keys that it remembers have changed (client tracking, RESP3: https://redis.io/docs/latest/develop/reference/client-side-caching/).
//
//   <prefix>:{<tenant id>}:g            the tenant's generation, a random name
//   <prefix>:{<tenant id>}:t<place>     that of tags
//   <prefix>:{<tenant id>}:<place>      an entry: its whole key, and its text
//
// A tenant has as many places as it may have entries; which is an entry's, its hash says, and who comes later has it. So nobody counts, and
// nobody fills the server. Ids and numbers have no character that a glob, a hash tag or a separator could be made of. The braces put a
// tenant's keys on one slot of a cluster. A generation is random and never counted: one that is lost with the server's memory comes back as one that never was, so that no
// older entry can come back with it.

import { createHash, randomUUID } from 'node:crypto'
import type { RedisClientType } from '@redis/client'
import { Backoff } from '../../core/backoff.ts'
import { systemClock } from '../../core/clock.ts'
import type { TenantId } from '../../core/tenant.ts'
import { runOutside } from '../../core/tenant-context.ts'
import { AbortedError, CacheUnavailableError, ConfigurationError } from '../../errors.ts'
import type { PurgeStore } from '../../operations/purge-store.ts'
import { type CacheEntry, type CacheStore, type ScopedKey, tenantOfKey } from './cache.ts'

export interface RedisCacheOptions {
  /** `redis://` or `rediss://`, with user and password. */
  readonly url: string
  /** What all keys begin with. Letters, digits, `-` and `_`; default `pw`. */
  readonly prefix?: string | undefined
  /** Entries of one tenant on the server at most: past a tenth of it they begin to take each other's places. Default 100,000. */
  readonly tenantEntriesMax?: number | undefined
  /** Entries that this process remembers. 0: none, each read asks the server. Default 10,000. */
  readonly memoryEntriesMax?: number | undefined
  /** For how long it believes them at most, in milliseconds, should the server's word not come. Default 60,000. */
  readonly memoryTtlMs?: number | undefined
  /** For how long an answer is waited for, in milliseconds. Default 250. */
  readonly timeoutMs?: number | undefined
}

const prefixPattern = /^[A-Za-z0-9_-]{1,50}$/
const commandsMax = 10_000
const scanCount = 1_000
const placesMax = 1_000_000_000
const tagPlaces = 10_000

/**
 * Connects to a server. Close the store after the tenancy.
 *
 * @example
 * ```ts
 * const cache = await redisCacheStore({ url: process.env.REDIS_URL! })
 * const tenancy = await createTenancy({ catalog, database, cache })
 * ```
 *
 * @throws {ConfigurationError} for options that cannot be. {@link CacheUnavailableError} when the server cannot be reached.
 */
export async function redisCacheStore(options: RedisCacheOptions): Promise<RedisCacheStore> {
  const { url, prefix = 'pw', tenantEntriesMax = 100_000, memoryEntriesMax = 10_000, memoryTtlMs = 60_000, timeoutMs = 250 } = options
  if (!prefixPattern.test(prefix))
    throw new ConfigurationError(`The prefix ${JSON.stringify(prefix)} is not 1 to 50 letters, digits, "-" and "_".`)
  if (!Number.isSafeInteger(tenantEntriesMax) || tenantEntriesMax < 1 || tenantEntriesMax > placesMax)
    throw new ConfigurationError(`tenantEntriesMax is ${tenantEntriesMax}; it must be a whole number from 1 to ${placesMax}.`)
  const { createClient } = await import('@redis/client')
  let wasConnected = false
  const client = createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: commandsMax,
    // A server that was there comes back; one that never was may be misspelt.
    socket: { connectTimeout: 5_000, reconnectStrategy: (tries) => wasConnected && Math.min(50 * 2 ** Math.min(tries, 6), 2_000) },
    ...(memoryEntriesMax > 0 && {
      clientSideCache: { maxEntries: memoryEntriesMax, ttl: memoryTtlMs, evictPolicy: 'LRU', recordStats: false },
    }),
  })
  // It re-connects by itself; each call says what it could not do.
  client.on('error', () => {})
  try {
    await runOutside(() => client.connect())
    wasConnected = true
  } catch (error) {
    if (client.isOpen) client.destroy()
    throw new CacheUnavailableError('The server of the cache cannot be reached.', { cause: error })
  }
  // Of the client's many type parameters none is of use here.
  return new RedisCacheStore({ client: client as unknown as RedisClientType, prefix, tenantEntriesMax, timeoutMs })
}

/**
 * What a server's ACL gives one user for one tenant's keys, and nothing else: for a process that serves a single tenant.
 * https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
 *
 * @example `await admin.sendCommand(['ACL', 'SETUSER', 'tenant-acme', ...redisAclOf(tenant.id, { password })])`
 */
export function redisAclOf(
  tenantId: TenantId,
  { password, prefix = 'pw' }: { readonly password: string; readonly prefix?: string | undefined },
) {
  if (!prefixPattern.test(prefix))
    throw new ConfigurationError(`The prefix ${JSON.stringify(prefix)} is not 1 to 50 letters, digits, "-" and "_".`)
  const commands = ['get', 'set', 'del', 'unlink', 'client|tracking', 'client|id', 'hello', 'ping'].map((command) => `+${command}`)
  return ['reset', 'on', `>${password}`, `~${prefix}:{${tenantId}}:*`, 'resetchannels', '-@all', ...commands] as const
}

interface RedisCacheParts {
  readonly client: RedisClientType
  readonly prefix: string
  readonly tenantEntriesMax: number
  readonly timeoutMs: number
}

/** @see CacheStore */
export class RedisCacheStore implements CacheStore {
  readonly #client: RedisClientType
  readonly #prefix: string
  readonly #tenantEntriesMax: number
  readonly #timeoutMs: number
  readonly #backoff = new Backoff({ clock: systemClock, pauseMinMs: 100, pauseMaxMs: 2_000 })

  /** @internal */
  constructor(parts: RedisCacheParts) {
    this.#client = parts.client
    this.#prefix = parts.prefix
    this.#tenantEntriesMax = parts.tenantEntriesMax
    this.#timeoutMs = parts.timeoutMs
  }

  async get(key: ScopedKey): Promise<CacheEntry | undefined> {
    const stored = await this.#ask((client) => client.get(this.#entryKey(key)))
    if (stored === null) return undefined
    // What is stored says whose it is, and the caller looks.
    const length = Number.parseInt(stored, 10)
    const start = stored.indexOf(':') + 1
    // As it was written by set(), below.
    const found = stored.slice(start, start + length) as ScopedKey
    const tenantId = tenantOfKey(found)
    if (found !== key && tenantId === tenantOfKey(key)) return undefined
    return { tenantId, key: found, text: stored.slice(start + length) }
  }

  async set({ key, text }: CacheEntry, ttlMs: number): Promise<void> {
    const value = `${key.length}:${key}${text}`
    await this.#ask((client) => client.set(this.#entryKey(key), value, { expiration: { type: 'PX', value: Math.ceil(ttlMs) } }))
  }

  async delete(key: ScopedKey): Promise<void> {
    await this.#ask((client) => client.del(this.#entryKey(key)))
  }

  async generation(tenantId: TenantId, tag?: string): Promise<string> {
    const key = this.#generationKey(tenantId, tag)
    const known = await this.#ask((client) => client.get(key))
    if (known !== null) return known
    const fresh = randomUUID()
    const other = await this.#ask((client) => client.set(key, fresh, { condition: 'NX', GET: true }))
    return other ?? fresh
  }

  async advance(tenantId: TenantId, tag?: string): Promise<void> {
    await this.#ask((client) => client.set(this.#generationKey(tenantId, tag), randomUUID()))
  }

  /** Takes a tenant's keys out of the server, one look at a time, and says how many are left. For off-boarding. */
  purgeStore(): PurgeStore {
    const found = (count: number) => (count === 0 ? [] : [{ kind: 'keys', where: 'redis', count }])
    const take = async (id: TenantId): Promise<number> => {
      let count = 0
      for await (const keys of this.#keysOf(id)) count += await this.#ask((client) => client.unlink([...keys]))
      return count
    }
    const left = async (id: TenantId): Promise<number> => {
      let count = 0
      for await (const keys of this.#keysOf(id)) count += keys.length
      return count
    }
    return {
      name: 'redis-cache',
      plan: async ({ id }) => found(await left(id)),
      purge: async ({ id }) => found(await take(id)),
      verify: async ({ id }) => found(await left(id)),
    }
  }

  async close(): Promise<void> {
    // Whoever is gone already need not be told.
    await this.#client.close().catch(() => this.#client.destroy())
  }

  /** A scan may tell of a key twice, and does not block the server. */
  async *#keysOf(tenantId: TenantId): AsyncGenerator<readonly string[]> {
    const match = `${this.#prefix}:{${tenantId}}:*`
    let cursor = '0'
    do {
      const answer = await this.#ask((client) => client.scan(cursor, { MATCH: match, COUNT: scanCount }))
      cursor = String(answer.cursor)
      if (answer.keys.length > 0) yield [...new Set(answer.keys)]
    } while (cursor !== '0')
  }

  #entryKey(key: ScopedKey): string {
    return `${this.#prefix}:{${tenantOfKey(key)}}:${placeOf(key, this.#tenantEntriesMax)}`
  }

  #generationKey(tenantId: TenantId, tag: string | undefined): string {
    return `${this.#prefix}:{${tenantId}}:${tag === undefined ? 'g' : `t${placeOf(tag, tagPlaces)}`}`
  }

  /** Down, it says so in microseconds; one call at a time finds out whether it is back. @throws {CacheUnavailableError} */
  async #ask<T>(command: (client: RedisClientType) => Promise<T>): Promise<T> {
    if (!this.#backoff.mayTry) throw unavailable(this.#backoff.cause)
    const attempt = this.#backoff.start()
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new AbortedError(`No answer in ${this.#timeoutMs} ms.`)), this.#timeoutMs)
    try {
      const answer = await Promise.race([command(this.#client), late.promise])
      this.#backoff.succeeded()
      return answer
    } catch (error) {
      this.#backoff.failed(attempt, error)
      throw unavailable(error)
    } finally {
      clearTimeout(timer)
    }
  }
}

function placeOf(text: string, places: number): number {
  return createHash('sha256').update(text, 'utf16le').digest().readUIntBE(0, 6) % places
}

function unavailable(cause: unknown): CacheUnavailableError {
  return new CacheUnavailableError('The server of the cache does not answer.', { cause })
}
