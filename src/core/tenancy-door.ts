// What a door (HTTP, jobs, events) needs of a tenancy. Structural and small, so that middleware never imports the whole.

import type { AuditTrail } from './audit-trail.ts'
import type { TenantFinder } from './resolver.ts'
import type { TenantScope } from './tenant-context.ts'

/** The part of a `Tenancy` that middleware works with. */
export interface TenancyDoor {
  /** Where requests run. */
  readonly scope: TenantScope
  /** Where tenants are looked up. */
  readonly tenants: TenantFinder
  /** Where refusals are recorded. */
  readonly auditTrail: AuditTrail
}
