// What the control plane's audit trail has of grants by which a tenant's data was opened.

import type { TenantId } from '../../core/tenant.ts'
import type { GrantRecords } from '../../evidence/history.ts'
import type { ControlConnection } from '../control-pool.ts'

/** @param owner The migrator's: the gatekeeper appends to the trail and does not read it. */
export async function grantsInTrail(owner: ControlConnection, tenantId: TenantId): Promise<GrantRecords['trail']> {
  const rows = await owner.query<{ grant: string; uses: number; statements: number; first: Date; last: Date }>(
    `select a.details ->> 'grant' as "grant",
            count(*) filter (where a.action = 'break_glass.open')::int as uses,
            count(*) filter (where a.action = 'break_glass.statement')::int as statements,
            min(a.occurred_at) as first, max(a.occurred_at) as last
       from partywall.audit_trail as a
      where a.tenant_id = $1
        and a.action in ('break_glass.open', 'break_glass.statement')
        and a.outcome = 'allowed'
        and a.details ->> 'grant' is not null
      group by 1`,
    [tenantId],
  )
  return new Map(rows.map(({ grant, uses, statements, first, last }) => [grant, { uses, statements, between: { first, last } }]))
}
