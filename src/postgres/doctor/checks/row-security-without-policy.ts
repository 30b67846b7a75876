// A table that the application may use by its privileges, and that shows it nothing.

import { rootComment } from '../../moves/partition-roots.ts'
import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const rowSecurityWithoutPolicy = bySql(
  {
    stem: 'row-security-without-policy',
    level: 'note',
    title: 'Row-level security is on and no policy lets anybody in',
    gain: 'Nothing: the table shows nothing to anybody. The next who wonders why may switch it off.',
    scope: 'database',
  },
  `${withGrants}
   select m.name as object,
          format('Row-level security is enabled on %s and there is no policy: the application sees no row of it.', m.name) as problem,
          case when m.is_global then format('alter table %s disable row level security;', m.name)
            else format('select partywall.protect(%L);', m.name) end as fix
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
    where not m.is_protected and not m.is_partition and c.relrowsecurity
      and not exists (select from pg_catalog.pg_policy as p where p.polrelid = m.oid)
      and exists (select from grants as g where g.oid = m.oid)
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = m.oid)
      and obj_description(m.oid, 'pg_class') is distinct from '${rootComment}'
    order by 1`,
)
