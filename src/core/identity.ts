// Who is asking, verified. A port; the adapters are in src/identity/.

import { InvalidIdentityError } from '../errors.ts'
import type { Actor } from './actor.ts'
import { type HttpRequest, headerValues } from './http-request.ts'
import type { ParsedTenantRef, Tenant } from './tenant.ts'

/** A verified caller. Nothing in it was taken on trust. */
export interface Identity {
  readonly actor: Actor
  /**
   * The tenants that the caller belongs to, as the credential names them. Prefer ids: a slug can be renamed, and given to
   * somebody else while an old token is still alive.
   */
  readonly memberships: readonly ParsedTenantRef[]
  /** How it was proved. */
  readonly method: 'jwt' | 'api_key' | 'webhook' | 'service'
  /** What the credential may be used for. Undefined: it says nothing of it. */
  readonly scopes?: readonly string[] | undefined
  readonly expiresAt?: Date | undefined
}

/** Verifies one kind of credential. */
export interface IdentityProvider {
  /** Can the credential in this request be verified only together with the raw body? Default: no. */
  readonly readsBody?: (request: HttpRequest) => boolean
  /**
   * @returns undefined when the request has no credential of this provider's kind.
   * @throws {InvalidIdentityError} when it has one, and it is not good.
   * @throws {IdentityUnavailableError} when that cannot be told at present.
   */
  identify(request: HttpRequest): Promise<Identity | undefined>
}

/**
 * Asks every provider. Two good credentials in one request are refused: nobody could say whose request it is.
 *
 * @returns undefined when the request has no credential at all.
 * @throws {InvalidIdentityError} when one is bad, there are several, or an Authorization header is nobody's.
 */
export async function identify(providers: readonly IdentityProvider[], request: HttpRequest): Promise<Identity | undefined> {
  let found: Identity | undefined
  for (const provider of providers) {
    const identity = await provider.identify(request)
    if (identity === undefined) continue
    if (found !== undefined) throw new InvalidIdentityError('The request has more than one credential. Send one.')
    found = identity
  }
  if (found === undefined && headerValues(request, 'authorization').length > 0) {
    throw new InvalidIdentityError('No identity provider takes this Authorization header. Check its scheme and the issuers configured.')
  }
  return found
}

/** Does the caller belong to the tenant? */
export function isMember(identity: Identity, tenant: Tenant): boolean {
  return identity.memberships.some((ref) => (ref.kind === 'id' ? ref.id === tenant.id : ref.slug === tenant.slug))
}

/**
 * The token of `Authorization: Bearer …`.
 *
 * @returns undefined when there is no such header, or it has another scheme.
 * @throws {InvalidIdentityError} when the header is given twice or is malformed.
 */
export function bearerToken(request: HttpRequest): string | undefined {
  const [only, ...more] = headerValues(request, 'authorization')
  if (only === undefined) return undefined
  if (more.length > 0) throw new InvalidIdentityError('The Authorization header is given more than once.')
  if (!/^bearer(?: |$)/i.test(only)) return undefined
  const token = only.slice('bearer '.length)
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) throw new InvalidIdentityError('The bearer token has characters that no token has.')
  return token
}
