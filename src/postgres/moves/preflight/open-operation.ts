// What else is being done to the tenant, or to one of its places.

import type { MoveCheck, Said } from '../check.ts'

export const openOperation: MoveCheck = {
  rule: 'open-operation',
  level: 'refuse',
  async check({ catalog, tenant, source, target }) {
    const places = [source, target].map(({ placement }) => placement)
    const found = await catalog.query<Said>(
      `select 'refuse' as level, format('operation %s', o.id) as object,
              format('The operation %s is %s: finish, retry or cancel it first.', o.kind, o.state) as problem
         from partywall.operations as o
        where o.tenant_id = $1 and o.state in ('running', 'waiting', 'failed')
        union all
       select 'refuse', format('move %s', m.id), format('The tenant is being moved (%s): complete or cancel that move first.', m.state)
         from partywall.moves as m
        where m.tenant_id = $1 and m.state not in ('done', 'cancelled')
        union all
       select 'refuse', format('tenant %s', t.id), format('The tenant is %s: it cannot be moved.', t.status)
         from partywall.tenants as t
        where t.id = $1 and t.status in ('onboarding', 'offboarding')
        union all
       select case when x.state = 'running' and x.claimed_until > clock_timestamp() then 'refuse' else 'warn' end, format('%s.%s', x.database_name, x.schema_name),
              case when x.state = 'running' and x.claimed_until > clock_timestamp() then format('It is being migrated to %s: wait for it.', r.version)
                   else format('A migration to %s is %s, and would wait for the move: finish it first.', r.version, r.state) end
         from partywall.migration_targets as x
         join partywall.migration_runs as r on r.id = x.run_id and r.state in ('running', 'paused', 'halted')
        where x.state in ('pending', 'running')
          and (x.database_name, x.schema_name) in (select p.database, p.schema from unnest($2::text[], $3::text[]) as p (database, schema))
        order by 1, 2`,
      [tenant.id, places.map(({ database }) => database), places.map(({ schema }) => schema)],
    )
    return found.map((said) => ({ ...said, at: null }))
  },
}
