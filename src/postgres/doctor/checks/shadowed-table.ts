// Something else is found under the name of a protected table, before it, by statements that name no schema. What is bound to a tenant's
// own schema finds names there alone.

import { bySql } from '../check.ts'
import { withPaths } from '../paths.ts'

export const shadowedTable = bySql(
  {
    stem: 'shadowed-table',
    level: 'warning',
    title: 'Another table is found under the name of a protected one',
    gain: 'Statements that name no schema read and write the other table, whose rows have no wall: what one tenant writes another reads.',
    scope: 'database',
  },
  `${withPaths}
   select format('%I.%I', n.nspname, other.relname) as object,
          format('%I.%I is found where %s is meant, by the search_path %s.', n.nspname, other.relname, string_agg(distinct m.name, ', '), min(here.setting)) as problem,
          null as fix
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
     join pg_catalog.pg_class as other on other.relname = c.relname and other.oid <> c.oid and other.relkind in ('r', 'p', 'v', 'm', 'f')
     join pg_catalog.pg_namespace as n on n.oid = other.relnamespace
     join paths as here on here.schema = other.relnamespace
     left join paths as own on own.schema = c.relnamespace and own.setting = here.setting
     left join members as o on o.oid = other.oid
    where m.is_protected and m.schema !~ '^t_[0-9a-f]{24}$'
      and not coalesce(o.is_protected, false)
      and (own.ord is null or here.ord < own.ord)
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = other.oid)
    group by n.nspname, other.relname
    order by 1`,
)
