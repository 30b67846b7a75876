// The audit trail in PostgreSQL. The gatekeeper's login appends through a definer function; it can neither read nor change.

import { checkedAuditEvent } from '../core/audit-event.ts'
import type { AuditEvent, AuditTrail } from '../core/audit-trail.ts'
import type { ControlConnection } from './control-pool.ts'

export class PostgresAuditTrail implements AuditTrail {
  readonly #gatekeeper: ControlConnection

  constructor(gatekeeper: ControlConnection) {
    this.#gatekeeper = gatekeeper
  }

  async record(event: AuditEvent): Promise<void> {
    const { action, outcome, actor, tenantId, requestId, reason, details } = checkedAuditEvent(event)
    await this.#gatekeeper.query(
      'select partywall.record_audit($1::text, $2::text, $3::text, $4::text, $5::uuid, $6::text, $7::text, $8::jsonb)',
      [action, outcome, actor?.kind, actor?.id, tenantId, requestId, reason, details === undefined ? null : JSON.stringify(details)],
    )
  }
}
