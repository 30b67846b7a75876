// A table that the application can reach and that partywall knows nothing of. Policies that somebody wrote by hand may stand on it; that
// they are as they must be is what protect() is for.

import { rootComment } from '../../moves/partition-roots.ts'
import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'
import { ownPolicies } from '../policies.ts'

export const unprotectedTable = bySql(
  {
    stem: 'unprotected-table',
    level: 'error',
    title: 'The application reaches a table that is neither behind the wall nor declared global',
    gain: 'One tenant reads, and perhaps writes, the rows of all others in that table, with ordinary statements.',
    scope: 'database',
  },
  `${withGrants}
   select m.name as object,
          case when wall.stands
            then format('%s has the policies of the wall and is not in the list of protected tables: it was renamed, or moved to another schema.', m.name)
            else format('%s is neither behind the wall nor declared global, and %s.', m.name,
                   string_agg(distinct format('%s may %s', g.grantee, lower(g.privilege)), ', ')) end as problem,
          format('select partywall.protect(%L);', m.name) as fix,
          case when wall.stands then 'warning' else 'error' end as level
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
     join grants as g on g.oid = m.oid
    cross join lateral (
            select c.relrowsecurity and c.relforcerowsecurity
               and 5 = (select count(*) from pg_catalog.pg_policy as p where p.polrelid = m.oid and p.polname ~ '${ownPolicies}') as stands
          ) as wall
    where not m.is_protected and not m.is_global and not m.is_partition
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = m.oid)
      and obj_description(m.oid, 'pg_class') is distinct from '${rootComment}'
    group by m.name, wall.stands
    order by 1`,
)
