// The port through which refusals and dangerous acts are recorded. Adapters: core/memory-audit-trail.ts, postgres/audit-trail.ts.

import type { Actor } from './actor.ts'
import type { Json, TenantId } from './tenant.ts'

/** One thing worth remembering. `details` holds no personal data and no secrets. */
export interface AuditEvent {
  readonly action: string
  readonly outcome: 'allowed' | 'refused'
  readonly actor: Actor | undefined
  readonly tenantId: TenantId | undefined
  readonly requestId: string | undefined
  readonly reason: string | undefined
  readonly details?: Readonly<Record<string, Json>>
}

export interface AuditTrail {
  /** Resolves when the event is stored. Rejects when it could not be: the caller then refuses the act. */
  record(event: AuditEvent): Promise<void>
}
