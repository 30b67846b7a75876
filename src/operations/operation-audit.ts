// What the audit trail hears of operations: that one was begun, refused, and how it ended. No inputs: they are in the journal.

import type { AuditTrail } from '../core/audit-trail.ts'
import { TenancyError } from '../errors.ts'
import type { Operation } from './journal.ts'

export type AuditedPhase = 'started' | 'refused' | 'waiting' | 'done' | 'failed' | 'cancelled'

/** Records one phase under `tenant.<kind>`. Rejects when it could not be recorded. */
export async function auditOperation(
  auditTrail: AuditTrail,
  operation: Pick<Operation, 'kind' | 'tenantId' | 'actor' | 'reason'> & { readonly id?: Operation['id'] },
  phase: AuditedPhase,
  error?: unknown,
): Promise<void> {
  await auditTrail.record({
    action: `tenant.${operation.kind.replaceAll('-', '_')}`,
    outcome: phase === 'refused' || phase === 'failed' ? 'refused' : 'allowed',
    actor: operation.actor,
    tenantId: operation.tenantId,
    requestId: undefined,
    reason: operation.reason,
    details: {
      phase,
      ...(operation.id !== undefined && { operation: operation.id }),
      ...(error !== undefined && { code: error instanceof TenancyError ? error.code : 'PW_INTERNAL' }),
    },
  })
}
