// Functions in languages that nothing holds back: C, internal, plpython3u. Extensions’ own are left to their authors, and the constructors
// of range types are PostgreSQL’s, which belong to the type.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const untrustedFunction = bySql(
  {
    stem: 'untrusted-function',
    level: 'warning',
    title: 'The application may call a function in an untrusted language',
    gain: 'Such code runs as the server itself: a flaw in it reads files and memory, whatever the policies say.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I.%I(%s) for %s', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name) as object,
          format('%s may call %I.%I, which is written in %I.', case g.oid when 0 then 'Every role' else g.name end, n.nspname, p.proname, l.lanname) as problem,
          format('revoke execute on function %I.%I(%s) from %s;', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_proc as p
     join pg_catalog.pg_language as l on l.oid = p.prolang and not l.lanpltrusted
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
     join grantees as g on g.oid = acl.grantee
    where n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
      and p.prokind = 'f'
      and exists (select from aclexplode(n.nspacl) as entry join grantees as e on e.oid = entry.grantee where entry.privilege_type = 'USAGE')
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid and e.deptype in ('e', 'i'))
    order by 1`,
)
