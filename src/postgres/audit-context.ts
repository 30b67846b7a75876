// Who, and from where, as the audit log has it.

import type { AuditContext } from '../core/audit-entry.ts'
import type { TenantContext } from '../core/tenant-context.ts'

const contexts = new WeakMap<TenantContext, AuditContext>()

/** The same object for the same context: what shares one is told once in a batch. */
export function auditContextOf(context: TenantContext): AuditContext {
  const known = contexts.get(context)
  if (known !== undefined) return known
  const { actor, grant, requestId, trace, route, from } = context
  const made = { actor, grant: grant?.grantId, requestId, trace: trace?.traceparent, route, from }
  contexts.set(context, made)
  return made
}
