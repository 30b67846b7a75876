// API keys of one tenant each: `pw_<env>_<prefix>_<secret>` or `pw_<prefix>_<secret>`. The prefix finds the key and may be
// logged; the secret is 32 random bytes, of which only the hash is stored.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type ApiKey, type ApiKeys, type ApiKeyVerifier, type StoredApiKey, touchEveryMs } from '../core/api-keys.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { type HttpRequest, headerValues } from '../core/http-request.ts'
import { bearerToken, type Identity, type IdentityProvider } from '../core/identity.ts'
import type { TenantId } from '../core/tenant.ts'
import { ConfigurationError, IdentityUnavailableError, InvalidIdentityError, TenancyError } from '../errors.ts'

export interface ApiKeyOptions {
  readonly keys: ApiKeyVerifier
  /** Header that carries the key, beside `Authorization: Bearer`. Default `x-api-key`. */
  readonly headerName?: string | undefined
  /** How long a key that was found is remembered: a revoked one lives on in this process for as long. Default 5,000; 0: not at all. */
  readonly cacheTtlMs?: number | undefined
  readonly clock?: Clock | undefined
}

const keyPattern = /^pw_(?:[a-z0-9]{1,8}_)?([A-Za-z0-9]{12})_([A-Za-z0-9]{43})$/
const environmentPattern = /^[a-z0-9]{1,8}$/
const cachedKeysMax = 10_000
const touchesInFlightMax = 8
const dummyHash = createHash('sha256').update('no such key').digest()

/** Identities from API keys: `X-API-Key: pw_…` or `Authorization: Bearer pw_…`. */
export function apiKey(options: ApiKeyOptions): IdentityProvider {
  const clock = options.clock ?? systemClock
  const lookup = new KeyLookup(options.keys, options.cacheTtlMs ?? 5_000, clock)
  const headerName = (options.headerName ?? 'x-api-key').toLowerCase()
  return {
    async identify(request) {
      const text = keyText(request, headerName)
      if (text === undefined) return undefined
      const [, prefix, secret] = keyPattern.exec(text) ?? []
      if (prefix === undefined || secret === undefined) throw new InvalidIdentityError('The API key is malformed.')
      const key = await lookup.find(prefix)
      // The same work whether the prefix is known or not, and in constant time.
      const sameSecret = timingSafeEqual(createHash('sha256').update(secret).digest(), key?.secretHash ?? dummyHash)
      if (key === undefined || !sameSecret) throw new InvalidIdentityError('There is no such API key.')
      requireAlive(key, clock.now())
      lookup.touch(key)
      return identityOf(key)
    },
  }
}

/** A new key and its text, which is shown once and stored nowhere. */
export interface IssuedApiKey {
  readonly text: string
  readonly key: ApiKey
}

/** Creates a key for a tenant. `environment` (1 to 8 of a-z, 0-9) goes into its text, for people: `live`, `test`. */
export async function issueApiKey(
  keys: ApiKeys,
  options: {
    readonly tenantId: TenantId
    readonly name: string
    readonly scopes?: readonly string[] | undefined
    readonly expiresAt?: Date | undefined
    readonly environment?: string | undefined
  },
): Promise<IssuedApiKey> {
  const fresh = freshKey(options.environment)
  const { tenantId, name, scopes = [], expiresAt } = options
  const key = await keys.create({ tenantId, name, scopes, expiresAt, prefix: fresh.prefix, secretHash: fresh.secretHash })
  return { text: fresh.text, key }
}

/** A new key in the place of an old one, which is good for `graceSec` more (default one day), so that clients can change over. */
export async function rotateApiKey(
  keys: ApiKeys,
  options: {
    readonly tenantId: TenantId
    readonly prefix: string
    readonly graceSec?: number | undefined
    readonly expiresAt?: Date | undefined
    readonly environment?: string | undefined
  },
): Promise<IssuedApiKey> {
  const fresh = freshKey(options.environment)
  const { graceSec = 86_400, expiresAt } = options
  const key = await keys.rotate(options.tenantId, options.prefix, {
    prefix: fresh.prefix,
    secretHash: fresh.secretHash,
    expiresAt,
    graceSec,
  })
  return { text: fresh.text, key }
}

function keyText(request: HttpRequest, headerName: string): string | undefined {
  const own = headerValues(request, headerName)
  const bearer = headerValues(request, 'authorization').some((value) => /^bearer pw_/i.test(value)) ? bearerToken(request) : undefined
  if (own.length > 1 || (own.length === 1 && bearer !== undefined)) throw new InvalidIdentityError('The request has more than one API key.')
  return own[0] ?? bearer
}

function requireAlive(key: StoredApiKey, nowMs: number): void {
  if (key.revokedAt !== undefined) throw new InvalidIdentityError(`The API key ${key.prefix} is revoked.`)
  if (key.expiresAt !== undefined && key.expiresAt.getTime() <= nowMs)
    throw new InvalidIdentityError(`The API key ${key.prefix} has expired.`)
}

function identityOf(key: StoredApiKey): Identity {
  return {
    actor: { kind: 'service', id: `api-key:${key.prefix}` },
    memberships: [{ kind: 'id', id: key.tenantId }],
    method: 'api_key',
    scopes: key.scopes,
    expiresAt: key.expiresAt,
  }
}

/** Reads keys through a short, bounded memory, one read at a time for each prefix; and marks them as used, off the request's path. */
class KeyLookup {
  readonly #keys: ApiKeyVerifier
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #cache = new Map<string, { readonly key: StoredApiKey; readonly readAt: number }>()
  readonly #reading = new Map<string, Promise<StoredApiKey | undefined>>()
  readonly #touchedAt = new Map<string, number>()
  #touchesInFlight = 0

  constructor(keys: ApiKeyVerifier, ttlMs: number, clock: Clock) {
    if (!(ttlMs >= 0 && ttlMs <= 60_000))
      throw new ConfigurationError(`cacheTtlMs is ${ttlMs}; it must be 0 to 60,000: revocation waits for it.`)
    this.#keys = keys
    this.#ttlMs = ttlMs
    this.#clock = clock
  }

  async find(prefix: string): Promise<StoredApiKey | undefined> {
    const cached = this.#cache.get(prefix)
    if (cached !== undefined && this.#clock.monotonic() - cached.readAt < this.#ttlMs) return cached.key
    // Without a memory, every request must see a read that began after it: joining another's would be a memory.
    if (this.#ttlMs === 0) return this.#read(prefix)
    let reading = this.#reading.get(prefix)
    if (reading === undefined) {
      reading = this.#read(prefix).finally(() => this.#reading.delete(prefix))
      this.#reading.set(prefix, reading)
    }
    return reading
  }

  touch(key: StoredApiKey): void {
    const now = this.#clock.monotonic()
    const before = this.#touchedAt.get(key.prefix)
    if ((before !== undefined && now - before < touchEveryMs) || this.#touchesInFlight >= touchesInFlightMax) return
    remember(this.#touchedAt, key.prefix, now)
    this.#touchesInFlight += 1
    // Nobody waits for it, and nothing depends on it: when it fails, the next minute tries again.
    void this.#keys
      .touch(key.prefix)
      .catch(() => this.#touchedAt.delete(key.prefix))
      .finally(() => {
        this.#touchesInFlight -= 1
      })
  }

  async #read(prefix: string): Promise<StoredApiKey | undefined> {
    const readAt = this.#clock.monotonic()
    let key: StoredApiKey | undefined
    try {
      key = await this.#keys.find(prefix)
    } catch (error) {
      if (error instanceof TenancyError && error.status === 503) throw error
      throw new IdentityUnavailableError('API keys cannot be read at present.', { cause: error })
    }
    if (key === undefined) this.#cache.delete(prefix)
    else if (this.#ttlMs > 0) remember(this.#cache, prefix, { key, readAt })
    return key
  }
}

/** Puts the newest last and lets the oldest go: a Map keeps its order. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > cachedKeysMax) map.delete(map.keys().next().value as string)
}

function freshKey(environment: string | undefined): { text: string; prefix: string; secretHash: Uint8Array } {
  if (environment !== undefined && !environmentPattern.test(environment)) {
    throw new ConfigurationError(`${JSON.stringify(environment)} is not an environment of an API key: 1 to 8 of a-z and 0-9.`)
  }
  const prefix = base62(9, 12).slice(-12)
  const secret = base62(32, 43)
  const secretHash = createHash('sha256').update(secret).digest()
  return { text: ['pw', environment, prefix, secret].filter((part) => part !== undefined).join('_'), prefix, secretHash }
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Random bytes as one number in base 62, padded to its full length. */
function base62(byteCount: number, length: number): string {
  let rest = BigInt(`0x${randomBytes(byteCount).toString('hex')}`)
  let text = ''
  for (; rest > 0n; rest /= 62n) text = digits[Number(rest % 62n)] + text
  return text.padStart(length, '0')
}
