// Policies on a table where row-level security was never enabled. Protected tables have a check of their own.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const policiesWithoutRowSecurity = bySql(
  {
    stem: 'policies-without-row-security',
    level: 'error',
    title: 'A table has policies and row-level security is off',
    gain: 'Somebody wrote policies and believes that they hold; none does.',
    scope: 'database',
  },
  `${withGrants}
   select m.name as object,
          format('%s has %s policies, and row-level security is not enabled: none of them holds.', m.name, count(*)) as problem,
          format('alter table %s enable row level security, force row level security;', m.name) as fix,
          case when not exists (select from grants as g where g.oid = m.oid) then 'warning' else 'error' end as level
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
     join pg_catalog.pg_policy as p on p.polrelid = m.oid
    where not m.is_protected and not c.relrowsecurity
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = m.oid)
    group by m.oid, m.name
    order by 1`,
)
