// A table or view in `public` with the name of a protected one: what a statement finds whose search_path is not partywall's.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const nameInPublic = bySql(
  {
    stem: 'name-in-public',
    level: 'warning',
    title: 'A table in the schema public has the name of a protected one',
    gain: 'A statement that runs with another search_path, or where the tenant’s table is missing, reads and fills one that all tenants share.',
    scope: 'database',
  },
  `${withGrants}
   select format('public.%I', c.relname) as object,
          format('%I in public has the name of %s%s%s.', c.relname, min(m.name), case when count(distinct m.name) > 1 then format(' and %s others', count(distinct m.name) - 1) end,
            case when bool_or(g.oid is not null) then ', and the application may use it' end) as problem,
          null as fix,
          case when bool_or(g.oid is not null) then 'warning' else 'note' end as level
     from pg_catalog.pg_class as c
     join pg_catalog.pg_class as walled on walled.relname = c.relname and walled.oid <> c.oid
     join members as m on m.oid = walled.oid and m.is_protected
     left join grants as g on g.oid = c.oid
    where c.relnamespace = (select n.oid from pg_catalog.pg_namespace as n where n.nspname = 'public') and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and not exists (select from members as own where own.oid = c.oid and own.is_protected)
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
    group by c.oid, c.relname
    order by 1`,
)
