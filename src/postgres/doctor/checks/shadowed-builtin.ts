// Functions, operators, types and casts that stand where PostgreSQL's own are meant. Only what would really be taken: pg_catalog is looked
// into first, unless a search_path says otherwise, but the one whose argument types fit exactly wins over all.
// https://www.postgresql.org/docs/current/typeconv-func.html

import { bySql } from '../check.ts'
import { withPaths } from '../paths.ts'

export const shadowedBuiltin = bySql(
  {
    stem: 'shadowed-builtin',
    level: 'warning',
    title: 'Something else is taken for one of PostgreSQL’s own functions, operators, types or casts',
    gain: 'Statements and defaults that mean PostgreSQL’s run code of whoever owns it, in the name of every tenant who runs them.',
    scope: 'database',
  },
  `${withPaths}
   , widened (source, target) as (
     select c.castsource, c.casttarget from pg_catalog.pg_cast as c where c.castcontext = 'i'
     union
     select t.oid, t.oid from pg_catalog.pg_type as t where t.typnamespace = 'pg_catalog'::regnamespace
   ), own_functions as (
     select p.oid, p.proname as name, p.pronargs as arity, p.proargtypes as arguments, f.name as object, p.prokind, paths.has_catalog_after
       from functions as f
       join pg_catalog.pg_proc as p on p.oid = f.oid
       join paths on paths.schema = p.pronamespace
   ), own_operators as (
     select o.oid, o.oprname as name, o.oprleft as left_type, o.oprright as right_type, paths.has_catalog_after,
            format('operator %I.%s (%s, %s)', n.nspname, o.oprname, case o.oprleft when 0 then 'none' else format_type(o.oprleft, null) end, format_type(o.oprright, null)) as object
       from pg_catalog.pg_operator as o
       join paths on paths.schema = o.oprnamespace
       join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
      where not exists (select from extension_parts as e where e.classid = 'pg_operator'::regclass and e.objid = o.oid)
   ), taken (object, problem, fix) as (
     select f.object, format('%s is taken where pg_catalog.%I is meant.', f.object, f.name),
            format('drop %s %s;', case f.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, f.object)
       from own_functions as f
       join pg_catalog.pg_proc as b on b.pronamespace = 'pg_catalog'::regnamespace and b.proname = f.name and b.pronargs = f.arity
      where not exists (
              select from unnest(f.arguments::oid[], b.proargtypes::oid[]) as pair (own, builtin)
                left join widened as w on w.source = pair.own and w.target = pair.builtin
               where w.source is null)
      group by f.object, f.name, f.prokind
     having bool_or(f.has_catalog_after) or not bool_or(b.proargtypes = f.arguments)
     union
     select o.object, format('%s is taken where PostgreSQL’s own operator is meant.', o.object), format('drop %s;', o.object)
       from own_operators as o
       join pg_catalog.pg_operator as b on b.oprnamespace = 'pg_catalog'::regnamespace and b.oprname = o.name
       join widened as r on r.source = o.right_type and r.target = b.oprright
       left join widened as l on l.source = o.left_type and l.target = b.oprleft
      where (o.left_type = 0 and b.oprleft = 0) or l.source is not null
      group by o.object
     having bool_or(o.has_catalog_after) or not bool_or((b.oprleft, b.oprright) = (o.left_type, o.right_type))
     union
     select format('%I.%I', n.nspname, c.name), format('%I.%I is taken where pg_catalog.%I is meant.', n.nspname, c.name, c.name), null
       from (
              select t.typname as name, t.typnamespace as schema from pg_catalog.pg_type as t where t.typrelid = 0 and t.typelem = 0
              union
              select c.relname, c.relnamespace from pg_catalog.pg_class as c where c.relkind in ('r', 'p', 'v', 'm', 'f')
            ) as c
       join paths on paths.schema = c.schema and paths.has_catalog_after
       join pg_catalog.pg_namespace as n on n.oid = c.schema
      where exists (select from pg_catalog.pg_type as b where b.typnamespace = 'pg_catalog'::regnamespace and b.typname = c.name)
         or exists (select from pg_catalog.pg_class as b where b.relnamespace = 'pg_catalog'::regnamespace and b.relname = c.name)
     union
     select format('cast (%s as %s)', format_type(c.castsource, null), format_type(c.casttarget, null)),
            format('The cast from %s to %s is done without being asked for, and is not PostgreSQL’s.', format_type(c.castsource, null), format_type(c.casttarget, null)),
            format('drop cast (%s as %s);', format_type(c.castsource, null), format_type(c.casttarget, null))
       from pg_catalog.pg_cast as c
       join pg_catalog.pg_type as s on s.oid = c.castsource and s.typnamespace = 'pg_catalog'::regnamespace
       join pg_catalog.pg_type as t on t.oid = c.casttarget and t.typnamespace = 'pg_catalog'::regnamespace
      -- What initdb made has a lower number.
      where c.oid >= 16384 and c.castcontext in ('i', 'a')
        and not exists (select from extension_parts as e where e.classid = 'pg_cast'::regclass and e.objid = c.oid)
   )
   select t.object, t.problem, t.fix, 'administrator' as "fixAs" from taken as t order by 1`,
)
