// Who is asked: takes tokens of the services that it knows, for itself alone.

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { type Clock, systemClock } from '../core/clock.ts'
import { type HttpRequest, headerValues } from '../core/http-request.ts'
import type { Identity, IdentityProvider } from '../core/identity.ts'
import { parseTenantRef } from '../core/tenant.ts'
import { ConfigurationError, InvalidIdentityError, TenancyError } from '../errors.ts'
import { IssuerKeys } from '../identity/issuer-keys.ts'
import { claimedIssuer } from '../identity/verify-token.ts'
import { serviceAlgorithms, serviceTokenHeader, serviceTokenType, serviceTtlSecMax } from './service-token.ts'
import { checkServiceName } from './service-tokens.ts'

/** Public keys of a service: its JWKS, or where it serves it, over https. */
export type ServiceKeys = JSONWebKeySet | { readonly jwksUri: string }

export interface ServiceIdentityOptions {
  /** The name of this service. Tokens for another one are refused. */
  readonly audience: string
  /** The services that may ask, by their names, with their public keys. */
  readonly issuers: Readonly<Record<string, ServiceKeys>>
  /** How far clocks may be apart, in seconds: 0 to 30, default 5. */
  readonly clockToleranceSec?: number | undefined
  readonly clock?: Clock | undefined
}

const tokenLengthMax = 8_192
const requestIdLengthMax = 200

/**
 * Identities from the tokens of other services: on behalf of whoever asked them, for exactly one tenant, whose status the door looks at as
 * it does for everybody.
 *
 * @example
 * ```ts
 * await app.register(tenancyPlugin, {
 *   tenancy,
 *   identity: serviceIdentity({ audience: 'billing', issuers: { gateway: { jwksUri: 'https://gateway.internal/.well-known/jwks.json' } } }),
 * })
 * ```
 *
 * @throws {ConfigurationError}
 */
export function serviceIdentity(options: ServiceIdentityOptions): IdentityProvider {
  const { audience, issuers, clockToleranceSec = 5, clock = systemClock } = options
  checkServiceName(audience)
  if (!(clockToleranceSec >= 0 && clockToleranceSec <= 30)) throw new ConfigurationError('clockToleranceSec is 0 to 30.')
  const keys = new Map(Object.entries(issuers).map(([issuer, given]) => [issuer, keysOf(issuer, given, clock)]))
  if (keys.size === 0) throw new ConfigurationError('Without issuers no service may ask.')

  async function verified(token: string): Promise<JWTPayload & { readonly iat: number; readonly exp: number }> {
    const issuer = token.length > tokenLengthMax ? undefined : claimedIssuer(token)
    const key = issuer === undefined ? undefined : keys.get(issuer)
    if (issuer === undefined || key === undefined) throw new InvalidIdentityError('The service token is of no service that is known here.')
    try {
      const { payload, protectedHeader } = await jwtVerify(token, key, {
        ...{ issuer, audience, typ: serviceTokenType, algorithms: [...serviceAlgorithms], clockTolerance: clockToleranceSec },
        requiredClaims: ['exp', 'iat', 'aud', 'iss', 'jti'],
        maxTokenAge: serviceTtlSecMax,
        currentDate: new Date(clock.now()),
      })
      const { aud, iat = 0, exp = 0 } = payload
      if (protectedHeader.kid === undefined) throw new InvalidIdentityError('The service token does not say which key has signed it.')
      // One that is for several services can be used by each of them against the others.
      if (aud !== audience) throw new InvalidIdentityError('The service token is for more than one service.')
      if (exp - iat > serviceTtlSecMax) throw new InvalidIdentityError(`The service token lives longer than ${serviceTtlSecMax} seconds.`)
      return { ...payload, iat, exp }
    } catch (error) {
      if (error instanceof TenancyError) throw error
      const why = error instanceof errors.JOSEError ? error.code : 'malformed'
      throw new InvalidIdentityError(`The service token does not verify: ${why}.`, { cause: error })
    }
  }

  return {
    async identify(request) {
      const token = tokenOf(request)
      if (token === undefined) return undefined
      const claims = await verified(token)
      const [requestId, ...more] = headerValues(request, 'x-request-id')
      if (more.length > 0 || (requestId !== undefined && requestId !== claims['request_id'])) {
        throw new InvalidIdentityError('The service token is of another request.')
      }
      return identityOf(claims)
    },
  }
}

function keysOf(issuer: string, given: ServiceKeys, clock: Clock): JWTVerifyGetKey {
  checkServiceName(issuer)
  if ('jwksUri' in given) return new IssuerKeys({ issuer, jwksUri: given.jwksUri as string, clock }).find
  return createLocalJWKSet(given)
}

function tokenOf(request: HttpRequest): string | undefined {
  const [token, ...more] = headerValues(request, serviceTokenHeader)
  if (more.length > 0) throw new InvalidIdentityError('There is more than one service token.')
  return token
}

function identityOf({ tenant_id: tenantId, actor, request_id: requestId, exp }: JWTPayload & { readonly exp: number }): Identity {
  const { kind, id } = (actor ?? {}) as { readonly kind?: unknown; readonly id?: unknown }
  const isActor = (kind === 'user' || kind === 'service' || kind === 'system') && typeof id === 'string' && id !== '' && id.length <= 500
  // Staff get in by a grant, which is not handed on.
  if (!isActor || typeof requestId !== 'string' || requestId.length > requestIdLengthMax) {
    throw new InvalidIdentityError('The service token does not say who asks, or in which request.')
  }
  const ref = typeof tenantId === 'string' ? parseTenantRef(tenantId) : undefined
  if (ref?.kind !== 'id') throw new InvalidIdentityError('The service token names no tenant by its id.')
  return { actor: { kind, id }, memberships: [ref], method: 'service', expiresAt: new Date(exp * 1000) }
}
