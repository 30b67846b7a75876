// Tenants' audit logs in this process's memory: for tests of what records, and for trying partywall without a database.

import type { AuditAppendOutcome, AuditLog, AuditPayload } from './audit-log.ts'
import type { Tenant, TenantId } from './tenant.ts'

export class MemoryAuditLog implements AuditLog {
  readonly #batches = new Map<TenantId, Map<string, string>>()

  groupOf({ placement }: Tenant): string {
    return placement.database
  }

  async append(batches: readonly AuditPayload[]): Promise<ReadonlyMap<TenantId, AuditAppendOutcome>> {
    for (const { tenant, payload } of batches) {
      const log = this.#batches.get(tenant.id) ?? new Map<string, string>()
      this.#batches.set(tenant.id, log)
      const id = payload.slice(13, 49)
      if (!log.has(id)) log.set(id, payload)
    }
    return new Map(batches.map(({ tenant }) => [tenant.id, 'appended']))
  }

  /** The texts of a tenant's batches, in order. */
  batchesOf(tenantId: TenantId): readonly string[] {
    return [...(this.#batches.get(tenantId)?.values() ?? [])]
  }
}
