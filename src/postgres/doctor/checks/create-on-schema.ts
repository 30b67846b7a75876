// Schemas in which the application may create objects.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const createOnSchema = bySql(
  {
    stem: 'create-on-schema',
    level: 'error',
    title: 'The application may create objects in a schema',
    gain: 'A table, function or operator of the attacker’s stands where another statement looks first, and runs with the next tenant’s rights.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I for %s', n.nspname, g.name) as object,
          format('%s may create objects in the schema %I.', case g.oid when 0 then 'Every role' else g.name end, n.nspname) as problem,
          format('revoke create on schema %I from %s;', n.nspname, g.name) as fix,
          'administrator' as "fixAs", g.oid <> 0 as "isFixSafe"
     from pg_catalog.pg_namespace as n
    cross join lateral aclexplode(n.nspacl) as acl
     join grantees as g on g.oid = acl.grantee
    where acl.privilege_type = 'CREATE' and n.nspname !~ '^pg_(toast|temp)'
    order by 1`,
)
