// The cast at the doors: bob and carol are tenants, dave is suspended, frank is being closed; alice works for bob and carol,
// eve for nobody she names. Nothing here speaks SQL.

import type { AuditEvent } from '../../src/core/audit-trail.ts'
import type { TenantLookup } from '../../src/core/catalog.ts'
import type { HeaderLine, HttpRequest } from '../../src/core/http-request.ts'
import type { Identity } from '../../src/core/identity.ts'
import { mainPlacement } from '../../src/core/placement.ts'
import type { TenancyDoor } from '../../src/core/tenancy-door.ts'
import { parseTenantId, parseTenantRef, parseTenantSlug, type Tenant, type TenantStatus } from '../../src/core/tenant.ts'
import { TenantScope } from '../../src/core/tenant-context.ts'

export const secret = new TextEncoder().encode('a secret of the test that has more than 32 bytes')
export const issuer = 'https://issuer.example'
export const audience = 'documents'

function tenant(digit: string, slug: string, status: TenantStatus = 'active'): Tenant {
  return Object.freeze({
    id: parseTenantId(`0190000${digit}-0000-7000-8000-000000000000`),
    slug: parseTenantSlug(slug),
    name: `The house of ${slug}`,
    plan: 'free',
    region: 'eu',
    placement: mainPlacement,
    version: undefined,
    parentId: undefined,
    status,
    features: {},
    ownFeatures: {},
    settings: {},
    domains: [`${slug}.example.org`],
    encryptionKeyId: undefined,
    keys: {},
    epoch: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  })
}

export const bob = tenant('a', 'bob')
export const carol = tenant('b', 'carol')
export const dave = tenant('c', 'dave', 'suspended')
export const frank = tenant('d', 'frank', 'offboarding')
/** No such tenant. */
export const nobodysId = parseTenantId('0190000f-0000-7000-8000-000000000000')

/** A tenancy with the cast in it, that counts what is asked of it. */
export interface WatchedDoor extends TenancyDoor {
  readonly lookups: TenantLookup[]
  readonly audited: AuditEvent[]
}

export function watchedDoor(): WatchedDoor {
  const lookups: TenantLookup[] = []
  const audited: AuditEvent[] = []
  const auditTrail = {
    record: async (event: AuditEvent) => {
      audited.push(event)
    },
  }
  return {
    lookups,
    audited,
    auditTrail,
    scope: new TenantScope(auditTrail),
    tenants: {
      find: async (lookup) => {
        lookups.push(lookup)
        return [bob, carol, dave, frank].find((one) => isNamed(one, lookup))
      },
    },
  }
}

function isNamed(one: Tenant, lookup: TenantLookup): boolean {
  if (lookup.kind === 'domain') return one.domains.includes(lookup.domain)
  return lookup.kind === 'id' ? one.id === lookup.id : one.slug === lookup.slug
}

/** An identity that belongs to these tenants. */
export function memberOf(...refs: readonly string[]): Identity {
  return { actor: { kind: 'user', id: 'alice' }, memberships: refs.map((ref) => parseTenantRef(ref)), method: 'jwt' }
}

/** A request by hand. Header names may repeat. */
export function request(parts: { target?: string; headers?: readonly HeaderLine[]; proxy?: boolean; body?: string } = {}): HttpRequest {
  return {
    method: 'GET',
    target: parts.target ?? '/',
    headers: parts.headers ?? [],
    throughTrustedProxy: parts.proxy ?? false,
    ...(parts.body !== undefined && { body: new TextEncoder().encode(parts.body) }),
  }
}
