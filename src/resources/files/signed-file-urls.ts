// Addresses that open one file for a while, to whoever has them. What one opens is in it, signed: tenant, epoch, key, method, expiry, and
// what may be sent. A JWS in its compact form (RFC 7515) with HMAC-SHA256 and claims of RFC 7519; nothing of it is believed before its
// signature holds.

import { jwtVerify, SignJWT } from 'jose'
import { type Clock, systemClock } from '../../core/clock.ts'
import { parseTenantId, type TenantId } from '../../core/tenant.ts'
import { ConfigurationError, InvalidInputError, SignedUrlRefusedError } from '../../errors.ts'
import { type FileKey, parseFileKey } from './file-key.ts'
import type { ObjectId } from './object-key.ts'

export interface SignedFileUrlsOptions {
  /**
   * Secrets of at least 32 bytes: the first signs, all of them verify. To change one, put the new one before it, and take the old one away
   * when the longest expiry is over.
   */
  readonly keys: readonly [Uint8Array, ...Uint8Array[]]
  /** Where the application serves them, e.g. `https://files.example.com/f`. https; plain http only for loopback. */
  readonly baseUrl: string
  readonly clock?: Clock | undefined
}

/** What a signed address opens. */
export interface SignedFile {
  readonly tenantId: TenantId
  readonly epoch: number
  readonly key: FileKey
  readonly method: 'GET' | 'PUT'
  readonly expiresAt: Date
  /** PUT: what has to be sent. */
  readonly contentType: string | undefined
  /** PUT: the most that may be sent. */
  readonly contentLengthMax: number | undefined
}

/** What is signed; and of an upload that goes straight to the store, where it goes. */
export type FileClaims = SignedFile & { readonly uploadId?: ObjectId | undefined }

const audience = 'partywall:files'
const uploadAudience = 'partywall:upload'
const textLengthMax = 4_096
const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Signs addresses of files, and verifies them. One for an application; every process of it has the same keys.
 *
 * @example
 * ```ts
 * const urls = new SignedFileUrls({ keys: [secret], baseUrl: 'https://files.example.com/f' })
 * ```
 */
export class SignedFileUrls {
  readonly #keys: readonly [Uint8Array, ...Uint8Array[]]
  readonly #base: string
  readonly #clock: Clock

  /** @throws {ConfigurationError} for a secret that is too short, or an address that would carry files in the clear. */
  constructor(options: SignedFileUrlsOptions) {
    const url = URL.parse(options.baseUrl)
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHosts.has(url.hostname))
    if (!isSafe || url.search !== '' || url.hash !== '') {
      throw new ConfigurationError('baseUrl of signed files is not an https address without query.')
    }
    if (options.keys.length === 0 || options.keys.some((key) => !(key instanceof Uint8Array) || key.byteLength < 32)) {
      throw new ConfigurationError('keys of signed files are secrets of at least 32 bytes.')
    }
    this.#keys = [Uint8Array.from(options.keys[0]), ...options.keys.slice(1).map((key) => Uint8Array.from(key))]
    this.#base = options.baseUrl.replace(/\/+$/, '')
    this.#clock = options.clock ?? systemClock
  }

  /** @internal */
  async url(claims: SignedFile): Promise<string> {
    return `${this.#base}/${await this.#seal(claims, audience)}`
  }

  /** @internal What completes an upload that goes straight to the store. It opens nothing by itself. */
  async uploadTicket(claims: FileClaims): Promise<string> {
    return await this.#seal(claims, uploadAudience)
  }

  /**
   * What the address opens. Nobody's tenant was asked yet: whoever serves it enters the tenant's scope first, which refuses suspended ones,
   * and compares the epoch, as `files.verifySignedUrl` does.
   *
   * @param url as it came: whole, or the target of a request. Its last segment counts, and a query is refused.
   * @throws {SignedUrlRefusedError} for everything that was not signed here, for this method, or has expired.
   */
  async verify(url: string, method: string): Promise<SignedFile> {
    const text = typeof url === 'string' ? url.slice(url.lastIndexOf('/') + 1) : ''
    const claims = await this.#open(text, audience)
    if (method !== claims.method && !(method === 'HEAD' && claims.method === 'GET')) {
      throw new SignedUrlRefusedError(`The signed address is for ${claims.method}, not for ${JSON.stringify(String(method).slice(0, 16))}.`)
    }
    return claims
  }

  /** @internal @throws {SignedUrlRefusedError} */
  async verifyTicket(ticket: string): Promise<FileClaims> {
    return await this.#open(ticket, uploadAudience)
  }

  /** @internal */
  expiry(expiresInMs: number, mostMs: number): Date {
    if (Number.isFinite(expiresInMs) && expiresInMs >= 1_000 && expiresInMs <= mostMs) return new Date(this.#clock.now() + expiresInMs)
    throw new InvalidInputError(`expiresInMs is ${expiresInMs}. Give 1,000 to ${mostMs}.`)
  }

  /** @internal */
  msUntil(date: Date): number {
    return date.getTime() - this.#clock.now()
  }

  async #seal(claims: FileClaims, to: string): Promise<string> {
    const { tenantId, epoch, key, method, expiresAt, contentType, contentLengthMax, uploadId } = claims
    return await new SignJWT({ epoch, key, method, type: contentType, max: contentLengthMax, upload: uploadId })
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience(to)
      .setSubject(tenantId)
      .setExpirationTime(expiresAt.getTime() / 1_000)
      .sign(this.#keys[0])
  }

  async #open(text: string, from: string): Promise<FileClaims> {
    if (typeof text !== 'string' || text.length > textLengthMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) {
      throw new SignedUrlRefusedError('This is no signed address.')
    }
    let why: unknown
    for (const key of this.#keys) {
      try {
        // The library's own comparison is at whole seconds; ours comes behind it.
        const { payload } = await jwtVerify(text, key, {
          algorithms: ['HS256'],
          audience: from,
          requiredClaims: ['sub', 'exp'],
          currentDate: new Date(this.#clock.now()),
        })
        const expiresAt = new Date(Number(payload.exp) * 1_000)
        if (expiresAt.getTime() <= this.#clock.now()) throw new SignedUrlRefusedError('The signed address has expired.')
        return {
          tenantId: parseTenantId(payload.sub),
          epoch: Number(payload['epoch']),
          key: parseFileKey(payload['key']),
          method: payload['method'] === 'PUT' ? 'PUT' : 'GET',
          expiresAt,
          contentType: payload['type'] as string | undefined,
          contentLengthMax: payload['max'] as number | undefined,
          ...(payload['upload'] !== undefined && { uploadId: payload['upload'] as ObjectId }),
        }
      } catch (error) {
        why = error
      }
    }
    if (why instanceof SignedUrlRefusedError) throw why
    throw new SignedUrlRefusedError('The signed address does not verify, or has expired.', { cause: why })
  }
}
