// A partition or inheritance child without row-level security of its own. It is an error where a login has a privilege on it.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const reachablePartition = bySql(
  {
    stem: 'reachable-partition',
    level: 'error',
    title: 'A partition or a child table is reached past the policies of its parent',
    gain: 'Policies of the parent do not hold for a statement that names the child: the rows of all tenants in it.',
    scope: 'database',
  },
  `${withGrants}
   , roots (child, root) as (
     select i.inhrelid, i.inhparent from pg_catalog.pg_inherits as i
     union
     select r.child, i.inhparent from roots as r join pg_catalog.pg_inherits as i on i.inhrelid = r.root
   )
   select m.name as object,
          format('%s is part of %s and has no row-level security of its own%s.', m.name, min(parent.name),
            case when bool_or(g.oid is not null) then ', and the application may use it directly' else '' end) as problem,
          concat_ws(' ', format('alter table %s enable row level security, force row level security;', m.name),
            string_agg(distinct format('revoke all on %s from %s;', m.name, g.grantee), ' ') filter (where g.oid is not null)) as fix,
          true as "isFixSafe",
          case when bool_or(g.oid is not null) then 'error' else 'warning' end as level
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid and not c.relrowsecurity
     join roots as r on r.child = m.oid
     join members as parent on parent.oid = r.root and parent.is_protected
     left join grants as g on g.oid = m.oid
    where not m.is_protected and not m.is_global
    group by m.name
    order by 1`,
)
