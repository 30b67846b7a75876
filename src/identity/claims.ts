// What verified claims say: who acts, and for which tenants. Shared by jwt.ts and oidc.ts.

import type { JWTPayload } from 'jose'
import type { Actor } from '../core/actor.ts'
import type { Identity } from '../core/identity.ts'
import { type ParsedTenantRef, parseTenantRef, type TenantRef } from '../core/tenant.ts'
import { InvalidIdentityError } from '../errors.ts'

/** How claims become an identity. */
export interface ClaimsOptions {
  /** The claim with the tenant's id or slug, or an array of them. Default `tenant_id`. */
  readonly tenantClaim?: string | undefined
  /** Instead of `tenantClaim`: the tenants that these claims speak of. They are parsed afterwards. */
  readonly memberships?: ((claims: JWTPayload) => readonly TenantRef[]) | undefined
  /** Who acts. Default: the user `sub`. */
  readonly actor?: ((claims: JWTPayload) => Actor) | undefined
  /**
   * The tenants that this issuer may speak for; the others' identities are not his to give. A token that names any other is
   * refused as a whole. Default: all. Set it as soon as one issuer belongs to one customer.
   */
  readonly tenants?: readonly TenantRef[] | ((ref: ParsedTenantRef) => boolean | Promise<boolean>) | undefined
}

/** Most tenants that one token may name. */
const membershipsMax = 100
const subjectLengthMax = 255

/** @throws {InvalidIdentityError} when the claims are of another shape, or name a tenant that is not the issuer's. */
export async function identityOf(claims: JWTPayload, options: ClaimsOptions): Promise<Identity> {
  const memberships = parseMemberships(options.memberships?.(claims) ?? claims[options.tenantClaim ?? 'tenant_id'] ?? [])
  for (const ref of memberships) {
    if (!(await mayName(options, ref))) throw new InvalidIdentityError('The token names a tenant that its issuer may not speak for.')
  }
  return {
    actor: options.actor?.(claims) ?? { kind: 'user', id: subject(claims) },
    memberships,
    method: 'jwt',
    scopes: typeof claims['scope'] === 'string' ? claims['scope'].split(' ').filter((scope) => scope !== '') : undefined,
    expiresAt: claims.exp === undefined ? undefined : new Date(claims.exp * 1000),
  }
}

function parseMemberships(named: unknown): readonly ParsedTenantRef[] {
  const refs: readonly unknown[] = Array.isArray(named) ? named : [named]
  if (refs.length > membershipsMax)
    throw new InvalidIdentityError(`The token names ${refs.length} tenants; at most ${membershipsMax} are read.`)
  try {
    return refs.map((ref) => parseTenantRef(ref))
  } catch (cause) {
    throw new InvalidIdentityError('The token names a tenant in another than its canonical form.', { cause })
  }
}

async function mayName(options: ClaimsOptions, ref: ParsedTenantRef): Promise<boolean> {
  if (options.tenants === undefined) return true
  if (typeof options.tenants === 'function') return await options.tenants(ref)
  return options.tenants.includes(ref.kind === 'id' ? ref.id : ref.slug)
}

function subject(claims: JWTPayload): string {
  const { sub } = claims
  if (typeof sub === 'string' && sub !== '' && sub.length <= subjectLengthMax) return sub
  throw new InvalidIdentityError('The token has no usable subject (sub).')
}
