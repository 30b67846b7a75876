// The port through which tenants' own audit logs are written. Adapters: core/memory-audit-log.ts, postgres/audit-log.ts.

import type { Tenant, TenantId } from './tenant.ts'

/** The text of a sealed batch (audit-batch.ts), and the tenant whose log it belongs to. */
export interface AuditPayload {
  readonly tenant: Tenant
  readonly payload: string
  /** It was sent before, and it is not known what became of it. */
  readonly isRetry: boolean
}

/**
 * `appended`: it is durable. `again`: not now, as while the tenant is being switched from one place to another; the same is to be sent
 * again. `no_log`: the tenant's schema has no audit log. `gone`: there is no such tenant any more, and so no log.
 */
export type AuditAppendOutcome = 'appended' | 'again' | 'no_log' | 'gone'

export interface AuditLog {
  /** Tenants of one group are written together; what makes one group wait does not hold up another. */
  groupOf(tenant: Tenant): string
  /**
   * Appends each to the log of its tenant, in order. The same batch twice, known by its id, is there once.
   *
   * @returns what became of each tenant's.
   * @throws when none of them could be written: all may be sent again.
   */
  append(batches: readonly AuditPayload[]): Promise<ReadonlyMap<TenantId, AuditAppendOutcome>>
}
