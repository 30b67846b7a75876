// The public API, by name. Doors for frameworks and identities have entries of their own: partywall/fastify, partywall/identity.

export type { ApiKey, ApiKeys } from './core/api-keys.ts'
export type { AuditEvent, AuditTrail } from './core/audit-trail.ts'
export type { TenantListOptions, TenantLookup, TenantPage } from './core/catalog.ts'
export { type Clock, systemClock } from './core/clock.ts'
export type { FairQueueOptions } from './core/fair-queue-bounds.ts'
export { customDomain, type Hint, header, path, subdomain } from './core/hints.ts'
export type { Identity, IdentityProvider } from './core/identity.ts'
export { MemoryAuditTrail } from './core/memory-audit-trail.ts'
export {
  type AcrossTenantsOptions,
  type Actor,
  createTenantContext,
  type TenantContext,
  type TenantScope,
  type Trace,
} from './core/tenant-context.ts'
export {
  type Isolation,
  type Json,
  parseTenantId,
  parseTenantRef,
  parseTenantSlug,
  type Tenant,
  type TenantId,
  type TenantRef,
  type TenantSlug,
  type TenantStatus,
} from './core/tenant.ts'
export type { CreateTenantInput, StatusChange, Tenants, UpdateTenantInput } from './core/tenants.ts'
