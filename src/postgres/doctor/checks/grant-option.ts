// Privileges that the application may give on.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const grantOption = bySql(
  {
    stem: 'grant-option',
    level: 'warning',
    title: 'The application may grant its privileges to others',
    gain: 'An injected GRANT opens what it has to every login, and stays when the hole it came through is closed.',
    scope: 'database',
  },
  `${withGrantees}, things (what, name, acl) as (
     select 'table', format('%I.%I', n.nspname, c.relname), c.relacl
       from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
     union all
     select 'schema', quote_ident(n.nspname), n.nspacl from pg_catalog.pg_namespace as n
     union all
     select 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)), p.proacl
       from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
      where p.proacl is not null and p.prokind <> 'p'
     union all
     select 'database', quote_ident(d.datname), d.datacl from pg_catalog.pg_database as d where d.datname = current_database()
   )
   select format('%s %s for %s', t.what, t.name, g.name) as object,
          format('%s may grant %s on the %s %s to others.', g.name, string_agg(acl.privilege_type, ', ' order by acl.privilege_type), t.what, t.name) as problem,
          format('revoke grant option for %s on %s %s from %s cascade;', lower(string_agg(acl.privilege_type, ', ' order by acl.privilege_type)), t.what, t.name, g.name) as fix,
          'administrator' as "fixAs"
     from things as t
    cross join lateral aclexplode(t.acl) as acl
     join grantees as g on g.oid = acl.grantee
    where acl.is_grantable
    group by t.what, t.name, g.name
    order by 1`,
)
