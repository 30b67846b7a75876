// Fences that a mover has left behind. Clients give them up by themselves; nobody has asked for this tenant since.

import { bySql } from '../check.ts'

export const overdueFence = bySql(
  {
    stem: 'overdue-fence',
    level: 'warning',
    title: 'A fence is past its deadline',
    gain: 'Nothing; but the tenant’s first statement has to give the fence up, and a move is stuck.',
    scope: 'database',
  },
  `select g.tenant_id::text as object,
          format('Tenant %s is fenced since %s, and the fence''s deadline has passed.', g.tenant_id, g.changed_at) as problem,
          null as fix
     from partywall.gates as g
    where g.fenced_until < now() - interval '1 minute' and $1::name is not null
    order by 1`,
)
