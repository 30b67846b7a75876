// A SECURITY DEFINER function that the application calls or sets off, and that looks names up where somebody else decides. What policies
// call is told of by policy-function-search-path. It is an error where a login can make what is found first.

import { bySql } from '../check.ts'
import { pinnedPath, withFunctions } from '../functions.ts'

export const definerSearchPath = bySql(
  {
    stem: 'definer-search-path',
    level: 'warning',
    title: 'A function with its owner’s rights looks names up where the caller says',
    gain: 'A table, function or operator of the attacker’s, by a name that the function uses, is used with the rights of the function’s owner.',
    scope: 'database',
  },
  `${withFunctions}
   , set_off (function) as (
     select distinct t.tgfoid
       from pg_catalog.pg_trigger as t
      where not t.tgisinternal and exists (select from grants as g where g.oid = t.tgrelid and g.privilege in ('INSERT', 'UPDATE', 'DELETE'))
   ), writable as (
     select n.nspname as schema, string_agg(distinct takers.name, ', ') as by
       from pg_catalog.pg_namespace as n
      cross join lateral aclexplode(n.nspacl) as acl
       join takers on takers.oid = acl.grantee
      where acl.privilege_type = 'CREATE' and n.nspname !~ '^pg_'
      group by n.nspname
   )
   select f.name as object,
          format('%s runs with the rights of %I and looks names up %s.', f.name, o.rolname,
            case when f.search_path is null then 'in the caller''s search_path'
                 when w.schema is not null then format('in %s, where the application may create objects', w.schema)
                 else format('in %s, and in temporary tables before that', f.search_path) end) as problem,
          concat_ws(' ', case when f.is_temp_first then ${pinnedPath} end,
            case when w.schema is not null then format('revoke create on schema %I from %s;', w.schema, w.by) end) as fix,
          case when w.schema is null then 'owner' else 'administrator' end as "fixAs",
          case when makers.can_make or w.schema is not null or (f.search_path is null and exists (select from writable)) then 'error' else 'warning' end as level
     from functions as f
     join pg_catalog.pg_roles as o on o.oid = f.owner
    cross join makers
     left join lateral (
            select w.schema, w.by
              from writable as w
             where not f.is_bound
               and w.schema in (select btrim(word, ' "') from unnest(string_to_array(f.search_path, ',')) as named (word))
             order by 1
             limit 1
          ) as w on true
    where f.is_definer
      and (f.is_called or f.oid in (select s.function from set_off as s))
      and (w.schema is not null or (f.is_temp_first and f.oid not in (select pf.function from policy_functions as pf)))
    order by 1`,
)
