// Tokens signed with a key that we hold ourselves: for development, tests, and services with one issuer of their own.

import { type CryptoKey, type JWTPayload, type KeyObject, SignJWT } from 'jose'
import { type Clock, systemClock } from '../core/clock.ts'
import { bearerToken, type IdentityProvider } from '../core/identity.ts'
import type { TenantRef } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'
import { type ClaimsOptions, identityOf } from './claims.ts'
import { checkRules, claimedIssuer, verifyToken } from './verify-token.ts'

/** The key: a shared secret of at least 32 bytes for HS256, an Ed25519 key for EdDSA. */
export type JwtKey =
  | { readonly algorithm: 'HS256'; readonly key: Uint8Array }
  | { readonly algorithm: 'EdDSA'; readonly key: CryptoKey | KeyObject }

export type JwtOptions = JwtKey &
  ClaimsOptions & {
    readonly issuer: string
    readonly audience: string | readonly string[]
    /** Default 5; at most 300. */
    readonly clockToleranceSec?: number | undefined
    readonly clock?: Clock | undefined
  }

const secretBytesMin = 32

/**
 * Identities from `Authorization: Bearer <JWT>`, verified with one local key. Tokens of other issuers are left to others.
 *
 * @example
 * ```ts
 * import { jwt } from 'partywall/identity'
 *
 * const identity = jwt({ issuer: 'https://dev.example', audience: 'documents', algorithm: 'HS256', key: secret })
 * ```
 */
export function jwt(options: JwtOptions): IdentityProvider {
  checkKey(options)
  const rules = { ...options, algorithms: [options.algorithm], clock: options.clock ?? systemClock }
  checkRules(rules)
  return {
    async identify(request) {
      const token = bearerToken(request)
      if (token === undefined || claimedIssuer(token) !== options.issuer) return undefined
      return identityOf(await verifyToken(token, async () => options.key, rules), options)
    },
  }
}

/** What goes into a token of our own. */
export type IssueTokenOptions = JwtKey & {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  /** Ids, preferably: a slug can be renamed. */
  readonly tenants: readonly TenantRef[]
  /** Seconds. */
  readonly ttlSec: number
  readonly scopes?: readonly string[] | undefined
  readonly clock?: Clock | undefined
}

/** A token that `jwt()` with the same key, issuer and audience takes. */
export async function issueToken(options: IssueTokenOptions): Promise<string> {
  checkKey(options)
  const nowSec = Math.floor((options.clock ?? systemClock).now() / 1000)
  const claims: JWTPayload = { tenant_id: [...options.tenants], ...(options.scopes && { scope: options.scopes.join(' ') }) }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: options.algorithm, typ: 'JWT' })
    .setIssuer(options.issuer)
    .setAudience(options.audience)
    .setSubject(options.subject)
    .setIssuedAt(nowSec)
    .setNotBefore(nowSec)
    .setExpirationTime(nowSec + options.ttlSec)
    .sign(options.key)
}

function checkKey(options: JwtKey): void {
  if (options.algorithm !== 'HS256') return
  // A PEM given as a secret is the classic confusion: a public key would then sign tokens.
  const startsLikePem = Buffer.from(options.key.subarray(0, 10)).toString('latin1').startsWith('-----BEGIN')
  if (options.key.byteLength < secretBytesMin || startsLikePem) {
    throw new ConfigurationError(`An HS256 key is a secret of at least ${secretBytesMin} random bytes, and not a PEM file.`)
  }
}
