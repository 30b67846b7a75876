// The signing keys of one issuer, from its JWKS. Their address comes from the configuration, or from the issuer's own
// discovery document, and never from a token. Bounded in size, time and frequency; an outage is ours, not the caller's.

import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../core/clock.ts'
import { ConfigurationError, IdentityUnavailableError, InvalidIdentityError } from '../errors.ts'

export interface IssuerKeysOptions {
  readonly issuer: string
  /** Default: found by OpenID Connect Discovery at `<issuer>/.well-known/openid-configuration`. */
  readonly jwksUri?: string | undefined
  /** How long keys are used before they are read again. Default 600,000. */
  readonly keysMaxAgeMs?: number | undefined
  /** Least time between two reads: for an unknown kid, or after a failure. Default 30,000. */
  readonly cooldownMs?: number | undefined
  /** Default 5,000. */
  readonly timeoutMs?: number | undefined
  readonly clock: Clock
}

const documentBytesMax = 262_144

/** Resolves a token's key among this issuer's keys alone. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  readonly #cooldownMs: number
  readonly #timeoutMs: number
  #keys: JWTVerifyGetKey | undefined
  #discovering: Promise<JWTVerifyGetKey> | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  /** @throws {ConfigurationError} when an address is not https (plain http only for loopback). */
  constructor(options: IssuerKeysOptions) {
    this.#options = options
    this.#cooldownMs = options.cooldownMs ?? 30_000
    this.#timeoutMs = options.timeoutMs ?? 5_000
    if (options.jwksUri !== undefined) this.#keys = this.#keysAt(secureUrl(options.jwksUri))
    else secureUrl(options.issuer)
  }

  /**
   * @throws {InvalidIdentityError} when no key of this issuer fits the token's header.
   * @throws {IdentityUnavailableError} when the keys cannot be read.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    try {
      const keys = this.#keys ?? (await this.#discover())
      return await keys(header, token)
    } catch (error) {
      if (
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported
      ) {
        throw new InvalidIdentityError('The issuer has no one key for this token.', { cause: error })
      }
      if (error instanceof IdentityUnavailableError) throw error
      throw this.#failed('what it sent is not a key set', error)
    }
  }

  #keysAt(url: URL): JWTVerifyGetKey {
    return createRemoteJWKSet(url, {
      cacheMaxAge: this.#options.keysMaxAgeMs ?? 600_000,
      cooldownDuration: this.#cooldownMs,
      timeoutDuration: this.#timeoutMs,
      [customFetch]: (address, init) => this.#fetch(address, init),
    })
  }

  /** Once for all who wait. What was found stays; a failure is tried again after the cool-down. */
  async #discover(): Promise<JWTVerifyGetKey> {
    this.#discovering ??= this.#readDiscovery().finally(() => {
      this.#discovering = undefined
    })
    return this.#discovering
  }

  async #readDiscovery(): Promise<JWTVerifyGetKey> {
    const address = `${this.#options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await this.#fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(this.#timeoutMs) })
    const document: unknown = await response.json()
    if (typeof document !== 'object' || document === null || !('issuer' in document) || !('jwks_uri' in document)) {
      throw this.#failed('its discovery document has no issuer or no jwks_uri')
    }
    // OpenID Connect Discovery 1.0 §4.3: another issuer's document would lend us another issuer's keys.
    if (document.issuer !== this.#options.issuer || typeof document.jwks_uri !== 'string') {
      throw this.#failed('its discovery document is of another issuer')
    }
    this.#keys = this.#keysAt(secureUrl(document.jwks_uri))
    return this.#keys
  }

  /** Reads a small document, unless a read has just failed: a flood of tokens must not become a flood of reads. */
  async #fetch(address: string, init: RequestInit): Promise<Response> {
    if (this.#options.clock.monotonic() - this.#failedAt < this.#cooldownMs) {
      throw new IdentityUnavailableError(`The keys of issuer ${this.#options.issuer} could not be read a moment ago.`)
    }
    try {
      const response = await fetch(address, init)
      if (response.status !== 200) throw this.#failed(`HTTP status ${response.status}`)
      return new Response(await this.#boundedBody(response), { status: 200 })
    } catch (error) {
      throw error instanceof IdentityUnavailableError ? error : this.#failed('the connection failed', error)
    }
  }

  async #boundedBody(response: Response): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > documentBytesMax) throw this.#failed(`more than ${documentBytesMax} bytes`)
      chunks.push(chunk)
    }
    return new Uint8Array(Buffer.concat(chunks))
  }

  #failed(why: string, cause?: unknown): IdentityUnavailableError {
    this.#failedAt = this.#options.clock.monotonic()
    return new IdentityUnavailableError(`The keys of issuer ${this.#options.issuer} cannot be read: ${why}.`, { cause })
  }
}

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function secureUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopbackHosts.has(url.hostname)))) {
    throw new ConfigurationError(`${JSON.stringify(text)} is not an https address. Keys fetched over plain http could be anybody's.`)
  }
  return url
}
