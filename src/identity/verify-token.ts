// One way to verify a JWT, for keys from wherever: RFC 7519, and the advice of RFC 8725.

import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../core/clock.ts'
import { ConfigurationError, InvalidIdentityError, TenancyError } from '../errors.ts'

/** What every token must satisfy. */
export interface TokenRules {
  /** Exactly the `iss` claim. */
  readonly issuer: string
  /** One of these must be in the `aud` claim. */
  readonly audience: string | readonly string[]
  readonly algorithms: readonly string[]
  readonly clockToleranceSec?: number | undefined
  readonly clock: Clock
}

/** Longest token that is looked at. */
const tokenLengthMax = 16_384
const clockToleranceSecDefault = 5
const clockToleranceSecMax = 300

/** Types of JWT that are not for calling an API (logout, security event, DPoP proof …) must not pass as such. */
const acceptedTypes: ReadonlySet<string | undefined> = new Set([undefined, 'jwt', 'at+jwt', 'application/at+jwt'])

/** @throws {ConfigurationError} for rules under which anything could pass. */
export function checkRules(rules: TokenRules): void {
  const audiences = typeof rules.audience === 'string' ? [rules.audience] : rules.audience
  if (rules.issuer === '' || audiences.length === 0 || audiences.includes('')) {
    throw new ConfigurationError('Tokens need an issuer and an audience: without them a token for somebody else would pass.')
  }
  if (rules.algorithms.length === 0 || rules.algorithms.includes('none')) {
    throw new ConfigurationError('Tokens need a list of signature algorithms, and "none" is not one.')
  }
  const tolerance = rules.clockToleranceSec ?? 0
  if (!(tolerance >= 0 && tolerance <= clockToleranceSecMax)) {
    throw new ConfigurationError(`clockToleranceSec is ${tolerance}; it must be 0 to ${clockToleranceSecMax}.`)
  }
}

/**
 * The claims of a good token: signed by `key` with an allowed algorithm, from this issuer, for this audience, with an end of
 * life (`exp`) ahead and a start of life (`nbf` or `iat`) behind. What the header says of keys (jku, x5u, jwk) is ignored.
 *
 * @throws {InvalidIdentityError} otherwise. What `key` throws as a TenancyError passes through.
 */
export async function verifyToken(token: string, key: JWTVerifyGetKey, rules: TokenRules): Promise<JWTPayload> {
  if (token.length > tokenLengthMax) throw new InvalidIdentityError(`The token is longer than ${tokenLengthMax} characters.`)
  const toleranceSec = rules.clockToleranceSec ?? clockToleranceSecDefault
  const nowMs = rules.clock.now()
  let claims: JWTPayload
  try {
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      issuer: rules.issuer,
      audience: typeof rules.audience === 'string' ? rules.audience : [...rules.audience],
      algorithms: [...rules.algorithms],
      requiredClaims: ['exp', 'aud', 'iss'],
      clockTolerance: toleranceSec,
      currentDate: new Date(nowMs),
    })
    if (!acceptedTypes.has(protectedHeader.typ?.toLowerCase()))
      throw new InvalidIdentityError('The token is of a type that is not for calling an API.')
    claims = payload
  } catch (error) {
    if (error instanceof TenancyError) throw error
    throw new InvalidIdentityError(`The token does not verify: ${error instanceof errors.JOSEError ? error.code : 'malformed'}.`, {
      cause: error,
    })
  }
  const bornAt = claims.nbf ?? claims.iat
  if (typeof bornAt !== 'number' || bornAt > nowMs / 1000 + toleranceSec) {
    throw new InvalidIdentityError('The token has no start of life (nbf or iat), or it lies in the future.')
  }
  return claims
}

/**
 * The issuer that an unverified token claims, only to choose whose keys must have signed it.
 *
 * @returns undefined for what is not a JWT.
 */
export function claimedIssuer(token: string): string | undefined {
  const parts = token.split('.')
  if (parts.length !== 3 || token.length > tokenLengthMax) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] as string, 'base64url').toString('utf8'))
    const issuer = typeof claims === 'object' && claims !== null && 'iss' in claims ? claims.iss : undefined
    return typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}
