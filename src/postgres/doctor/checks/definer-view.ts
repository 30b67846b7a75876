// A view without security_invoker that the application may use and that reads, through other views too, a table that is not global. It is an
// error where no policy holds for its owner.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const definerView = bySql(
  {
    stem: 'definer-view',
    level: 'warning',
    title: 'A view runs with its owner’s rights over tables of tenants',
    gain: 'Policies are those of the view’s owner: of one who bypasses them, the view shows and changes the rows of all tenants.',
    scope: 'database',
  },
  `${withGrants}
   , feeds (viewed, rel) as (
     select distinct r.ev_class, d.refobjid
       from pg_catalog.pg_rewrite as r
       join pg_catalog.pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
   ), sources (viewed, rel) as (
     select f.viewed, f.rel from feeds as f
     union
     select s.viewed, f.rel from sources as s join feeds as f on f.viewed = s.rel
   )
   select format('%I.%I', n.nspname, c.relname) as object,
          format('The view %I.%I runs with the rights of %I%s.', n.nspname, c.relname, o.rolname,
            case when o.rolsuper or o.rolbypassrls then ', for whom no policy holds' else '' end) as problem,
          format('alter view %I.%I set (security_invoker = true);', n.nspname, c.relname) as fix,
          case when o.rolsuper or o.rolbypassrls then 'error' else 'warning' end as level
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     join pg_catalog.pg_roles as o on o.oid = c.relowner
    where c.relkind = 'v'
      and exists (select from grants as g where g.oid = c.oid)
      and not coalesce((select option_value::boolean from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'), false)
      and exists (select from sources as s join members as m on m.oid = s.rel where s.viewed = c.oid and not m.is_global)
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
    order by 1`,
)
