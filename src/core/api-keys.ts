// API keys of tenants. A port with two adapters (core/memory-api-keys.ts, postgres/api-keys.ts) and one conformance suite
// (test/core/api-keys-conformance.ts). It stores a hash: a key's text exists once, in the answer to its creation.

import { InvalidInputError } from '../errors.ts'
import type { TenantId } from './tenant.ts'

/** What may be shown of a key. */
export interface ApiKey {
  /** The public part of the key's text, 12 letters and digits. It names the key everywhere. */
  readonly prefix: string
  readonly tenantId: TenantId
  readonly name: string
  readonly scopes: readonly string[]
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
  readonly revokedAt: Date | undefined
  /** Exact to a minute. */
  readonly lastUsedAt: Date | undefined
  /** The key that took its place, when it was rotated. */
  readonly replacedBy: string | undefined
}

/** A key with the hash that its secret must have. */
export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the secret: 32 bytes. The secret has 256 random bits, so a slow hash would add nothing but load. */
  readonly secretHash: Uint8Array
}

/** A key to be. */
export interface NewApiKey {
  readonly prefix: string
  readonly secretHash: Uint8Array
  readonly tenantId: TenantId
  readonly name: string
  readonly scopes: readonly string[]
  readonly expiresAt: Date | undefined
}

/** The part that verifies: all that a serving process needs. */
export interface ApiKeyVerifier {
  /** The key with this prefix, also when it has expired or is revoked: the caller judges. */
  find(prefix: string): Promise<StoredApiKey | undefined>
  /** Remembers that the key was used now; at most once a minute. Unknown prefixes are ignored. */
  touch(prefix: string): Promise<void>
}

/** Every call names the tenant: another tenant's key is not found, never changed. */
export interface ApiKeys extends ApiKeyVerifier {
  /**
   * @throws {InvalidInputError} when the key is malformed.
   * @throws {TenantNotFoundError} when there is no such tenant.
   * @throws {ConstraintError} when the prefix is taken.
   */
  create(key: NewApiKey): Promise<ApiKey>
  /**
   * Creates `next` with the name and scopes of the old key, which lives on for `graceSec` at most.
   *
   * @throws {RowNotFoundError} when the tenant has no such key, or it is revoked, expired or rotated already.
   */
  rotate(tenantId: TenantId, prefix: string, next: RotatedApiKey): Promise<ApiKey>
  /**
   * The key is refused from now on. Revoking twice is no error.
   *
   * @throws {RowNotFoundError} when the tenant has no such key.
   */
  revoke(tenantId: TenantId, prefix: string): Promise<void>
  /** The tenant's keys, in the order of their prefixes, at most `limit` (1 to 1,000; default 100). */
  list(
    tenantId: TenantId,
    options?: { readonly limit?: number | undefined; readonly after?: string | undefined },
  ): Promise<readonly ApiKey[]>
}

/** What takes an old key's place. */
export interface RotatedApiKey {
  readonly prefix: string
  readonly secretHash: Uint8Array
  readonly expiresAt: Date | undefined
  /** Seconds, 0 to 30 days. */
  readonly graceSec: number
}

/** A key is marked as used at most once in this time. */
export const touchEveryMs = 60_000

const prefixPattern = /^[A-Za-z0-9]{12}$/
const scopePattern = /^[a-z0-9][a-z0-9:._-]{0,63}$/
const scopesMax = 50
const nameLengthMax = 200
const graceSecMax = 30 * 86_400
const hashBytes = 32
const listLimitMax = 1_000

/** @throws {InvalidInputError} */
export function checkNewApiKey(key: NewApiKey): void {
  checkSecret(key)
  if (key.name.trim() === '' || key.name.length > nameLengthMax) {
    throw new InvalidInputError(`An API key needs a name of 1 to ${nameLengthMax} characters.`)
  }
  if (key.scopes.length > scopesMax || !key.scopes.every((scope) => scopePattern.test(scope))) {
    throw new InvalidInputError(`An API key has at most ${scopesMax} scopes, each like documents:read.`)
  }
}

/** @throws {InvalidInputError} */
export function checkRotation(next: RotatedApiKey): void {
  checkSecret(next)
  if (!Number.isInteger(next.graceSec) || next.graceSec < 0 || next.graceSec > graceSecMax) {
    throw new InvalidInputError(`graceSec is ${next.graceSec}; it must be a whole number from 0 to ${graceSecMax}.`)
  }
}

/** @throws {InvalidInputError} */
export function checkListLimit(limit = 100): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= listLimitMax) return limit
  throw new InvalidInputError(`limit is ${limit}; it must be a whole number from 1 to ${listLimitMax}.`)
}

function checkSecret(key: { readonly prefix: string; readonly secretHash: Uint8Array; readonly expiresAt: Date | undefined }): void {
  if (!prefixPattern.test(key.prefix)) throw new InvalidInputError('The prefix of an API key has 12 letters and digits.')
  if (key.secretHash.byteLength !== hashBytes) throw new InvalidInputError('The hash of an API key has 32 bytes.')
  if (key.expiresAt !== undefined && Number.isNaN(key.expiresAt.getTime())) throw new InvalidInputError('expiresAt is not a date.')
}
