// pg_stat_statements shows a role the text of its own statements, and all tenants’ statements are the same role’s.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const statementsReadable = bySql(
  {
    stem: 'statements-readable',
    level: 'warning',
    title: 'The application may read the statements of all tenants',
    gain: 'The texts of the neighbours’ statements, how often they run and how many rows they touch, with literals where a statement was not parameterised.',
    scope: 'database',
  },
  `${withGrantees}, things (object, what, schema, name, acl) as (
     select c.oid, 'table', n.nspname, format('%I.%I', n.nspname, c.relname), c.relacl
       from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relname = 'pg_stat_statements' and c.relkind = 'v'
     union all
     select p.oid, 'function', n.nspname, format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)),
            coalesce(p.proacl, acldefault('f', p.proowner))
       from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where p.proname = 'pg_stat_statements'
   )
   select format('%s for %s', t.name, g.name) as object,
          format('%s may read %s.', case g.oid when 0 then 'Every role' else g.name end, t.name) as problem,
          format('revoke all on %s %s from %s;', t.what, t.name, g.name) as fix,
          'administrator' as "fixAs"
     from things as t
    cross join lateral aclexplode(t.acl) as acl
     join grantees as g on g.oid = acl.grantee
    where acl.privilege_type in ('SELECT', 'EXECUTE')
    order by 1`,
)
