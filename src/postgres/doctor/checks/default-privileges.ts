// Privileges that objects will have which nobody has made yet: pg_default_acl.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const defaultPrivileges = bySql(
  {
    stem: 'default-privileges',
    level: 'error',
    title: 'Tables and functions to come are granted to the application',
    gain: 'The next table is in reach from its first second, before anybody has put it behind the wall, and a forgotten one for good.',
    scope: 'database',
  },
  `${withGrantees}, kinds (kind, plural) as (
     values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions'), ('n', 'schemas'), ('L', 'large objects')
   )
   select format('%s of %I%s for %s', k.plural, r.rolname, case when n.nspname is null then '' else format(' in %I', n.nspname) end, g.name) as object,
          format('%s gets %s on all %s that %I creates%s.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(acl.privilege_type, ', ' order by acl.privilege_type), k.plural, r.rolname,
            case when n.nspname is null then '' else format(' in %I', n.nspname) end) as problem,
          format('alter default privileges for role %I%s revoke all on %s from %s;', r.rolname,
            case when n.nspname is null then '' else format(' in schema %I', n.nspname) end, k.plural, g.name) as fix,
          'administrator' as "fixAs", true as "isFixSafe",
          case when k.kind = 'r' then 'error' else 'warning' end as level
     from pg_catalog.pg_default_acl as d
     join kinds as k on k.kind = d.defaclobjtype::text
     join pg_catalog.pg_roles as r on r.oid = d.defaclrole
     left join pg_catalog.pg_namespace as n on n.oid = d.defaclnamespace
    cross join lateral aclexplode(d.defaclacl) as acl
     join grantees as g on g.oid = acl.grantee
    -- What PUBLIC may call anyway is not granted by an entry that leaves it so.
    where not (k.kind = 'f' and n.nspname is null and g.oid = 0)
    group by k.kind, k.plural, r.rolname, n.nspname, g.oid, g.name
    order by 1`,
)
