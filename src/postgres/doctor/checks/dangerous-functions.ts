// PostgreSQL’s own functions that carry SQL text, files, state or other people’s statements past the wall.

import { deniedFunctions } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

/** Closed by PostgreSQL itself, until somebody grants them. */
const filesAndServer = [
  'pg_read_file',
  'pg_read_binary_file',
  'pg_stat_file',
  'pg_ls_dir',
  'pg_ls_logdir',
  'pg_ls_waldir',
  'pg_ls_tmpdir',
  'pg_reload_conf',
  'pg_rotate_logfile',
  'pg_promote',
] as const

export const dangerousFunctions = bySql(
  {
    stem: 'dangerous-functions',
    level: 'error',
    title: 'The application may call a function that goes around the wall',
    gain: 'SQL text runs within a SELECT through query_to_xml, large objects are one store for all tenants, dblink comes in again as somebody else; the lock and signal functions stop the neighbours.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I.%I(%s) for %s', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name) as object,
          format('%s may call %I.%I.', case g.oid when 0 then 'Every role' else g.name end, n.nspname, p.proname) as problem,
          format('revoke execute on function %I.%I(%s) from %s;', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name) as fix,
          'administrator' as "fixAs", g.oid <> 0 as "isFixSafe",
          case when p.proname ~ 'advisory|_backend$' then 'warning' else 'error' end as level
     from pg_catalog.pg_proc as p
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
     join grantees as g on g.oid = acl.grantee
    where (n.nspname = 'pg_catalog' and p.proname in (${[...deniedFunctions, ...filesAndServer].map((name) => `'${name}'`).join(', ')}))
       or (p.proname ~ '^dblink' and p.probin = '$libdir/dblink'
         and exists (select from aclexplode(n.nspacl) as entry join grantees as e on e.oid = entry.grantee where entry.privilege_type = 'USAGE'))
    order by 1`,
)
