// Who asks: signs tokens for the tenant in context, and hands them on.

import { type CryptoKey, exportJWK, type JWK, type KeyObject, SignJWT } from 'jose'
import { type Clock, systemClock } from '../core/clock.ts'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'
import { BreakGlassRefusedError, ConfigurationError } from '../errors.ts'
import {
  type ServiceAlgorithm,
  serviceAlgorithms,
  serviceNamePattern,
  serviceTokenHeader,
  serviceTokenType,
  serviceTtlSecMax,
} from './service-token.ts'

/** A key pair of this service. */
export interface ServiceKey {
  /** Which one it is, in tokens and in the published set. Never given to another key. */
  readonly kid: string
  readonly algorithm: ServiceAlgorithm
  readonly publicKey: CryptoKey | KeyObject
  /** Without it the key is published, and signs nothing. */
  readonly privateKey?: CryptoKey | KeyObject | undefined
}

export interface ServiceTokensOptions {
  readonly tenancy: { readonly scope: TenantScope }
  /** The name of this service, as `gateway`. */
  readonly issuer: string
  /** The first that has a private key signs. To rotate: publish the next one behind it, wait until all have read it, put it first. */
  readonly keys: readonly ServiceKey[]
  /** How long a token is good, in seconds: 1 to 60, default 30. */
  readonly ttlSec?: number | undefined
  readonly clock?: Clock | undefined
}

export interface ServiceTokens {
  /**
   * A token for the tenant in context, which the named service alone takes.
   *
   * @throws {NoTenantError} outside every tenant. {@link ConfigurationError} {@link BreakGlassRefusedError}
   */
  sign(audience: string): Promise<string>
  /**
   * Headers for whatever carries them: an injected request, gRPC metadata, a message. The token, `x-request-id`, and W3C trace context.
   *
   * @throws as `sign()`.
   */
  carry(audience: string): Promise<Readonly<Record<string, string>>>
  /** The public keys, to be served to the others: RFC 7517. */
  jwks(): Promise<{ readonly keys: JWK[] }>
}

/**
 * @example
 * ```ts
 * const tokens = serviceTokens({ tenancy, issuer: 'gateway', keys: [{ kid: '2026-11', algorithm: 'EdDSA', publicKey, privateKey }] })
 * app.get('/.well-known/jwks.json', async () => await tokens.jwks())
 * ```
 *
 * @throws {ConfigurationError}
 */
export function serviceTokens(options: ServiceTokensOptions): ServiceTokens {
  const { tenancy, issuer, keys, ttlSec = 30, clock = systemClock } = options
  const signer = checkedSigner(keys)
  checkServiceName(issuer)
  if (!(Number.isInteger(ttlSec) && ttlSec >= 1 && ttlSec <= serviceTtlSecMax)) {
    throw new ConfigurationError(`ttlSec is 1 to ${serviceTtlSecMax}: such a token is good for whoever gets hold of it.`)
  }

  const signFor = async ({ tenant, actor, grant }: TenantContext, audience: string, requestId: string): Promise<string> => {
    checkServiceName(audience)
    if (grant !== undefined)
      throw new BreakGlassRefusedError('A grant opens the tenant’s tables here, and is not handed on to other services.')
    const nowSec = Math.floor(clock.now() / 1000)
    return await new SignJWT({ tenant_id: tenant.id, actor: { kind: actor.kind, id: actor.id }, request_id: requestId })
      .setProtectedHeader({ alg: signer.algorithm, typ: serviceTokenType, kid: signer.kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setJti(crypto.randomUUID())
      .setIssuedAt(nowSec)
      .setExpirationTime(nowSec + ttlSec)
      .sign(signer.privateKey)
  }

  return {
    sign: async (audience) => {
      const context = tenancy.scope.current()
      return await signFor(context, audience, safeRequestId(context))
    },
    carry: async (audience) => {
      const context = tenancy.scope.current()
      const { trace } = context
      const requestId = safeRequestId(context)
      return {
        [serviceTokenHeader]: await signFor(context, audience, requestId),
        'x-request-id': requestId,
        ...(trace !== undefined && { traceparent: trace.traceparent }),
        ...(trace?.tracestate !== undefined && { tracestate: trace.tracestate }),
      }
    },
    jwks: async () => ({
      keys: await Promise.all(keys.map(async ({ kid, algorithm, publicKey }) => publicJwk(await exportJWK(publicKey), kid, algorithm))),
    }),
  }
}

/** An application may name its own as it likes; what cannot be in a header is another's. */
function safeRequestId({ requestId }: TenantContext): string {
  return /^[\w.-]{1,128}$/.test(requestId) ? requestId : crypto.randomUUID()
}

/** @throws {ConfigurationError} */
export function checkServiceName(name: string): void {
  if (name.length > 100 || !serviceNamePattern.test(name)) {
    throw new ConfigurationError(`${JSON.stringify(name)} is no name of a service: lower-case letters, digits, dots and hyphens.`)
  }
}

function checkedSigner(keys: readonly ServiceKey[]): ServiceKey & { readonly privateKey: CryptoKey | KeyObject } {
  if (new Set(keys.map(({ kid }) => kid)).size !== keys.length || keys.some(({ kid }) => kid === '')) {
    throw new ConfigurationError('Each key of a service has a kid of its own.')
  }
  for (const { algorithm, publicKey } of keys) {
    if (!serviceAlgorithms.includes(algorithm)) throw new ConfigurationError(`Services sign with ${serviceAlgorithms.join(' or ')}.`)
    if (publicKey.type !== 'public') throw new ConfigurationError('A publicKey that is not public would be published.')
  }
  const signer = keys.find((key): key is ServiceKey & { readonly privateKey: CryptoKey | KeyObject } => key.privateKey !== undefined)
  if (signer === undefined) throw new ConfigurationError('A service that signs needs a private key.')
  return signer
}

/** Of what was exported, what is public. */
function publicJwk({ kty, crv, x, y }: JWK, kid: string, alg: string): JWK {
  return { kty, crv, x, ...(y !== undefined && { y }), kid, alg, use: 'sig' } as JWK
}
