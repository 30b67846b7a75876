// Operations on tenants that nobody goes on with: their runner died, or a step failed and nobody has repeated or undone it.

import { bySql } from '../check.ts'

export const abandonedOperation = bySql(
  {
    stem: 'abandoned-operation',
    level: 'warning',
    title: 'An operation on a tenant is not over, and nobody goes on with it',
    gain: 'A tenant that is half removed is still there with its rows and its login, and no other operation on it can begin.',
    scope: 'catalog',
  },
  `select o.id::text as object,
          format('The operation %s (%s of tenant %s) %s.', o.id, o.kind, o.tenant_id,
            case when o.state = 'failed' then format('failed at %s and was neither repeated nor undone', o.updated_at)
                 when o.state = 'waiting' then format('should have gone on at %s', o.wake_at)
                 else format('has had no runner since %s', o.owned_until) end) as problem,
          null as fix
     from partywall.operations as o
    where $1::name is not null
      and ((o.state = 'running' and o.owned_until < now() - interval '15 minutes')
        or (o.state = 'waiting' and o.wake_at < now() - interval '15 minutes' and o.owned_until < now() - interval '15 minutes')
        or (o.state = 'failed' and o.updated_at < now() - interval '15 minutes'))
    order by 1`,
)
