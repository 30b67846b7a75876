// Large objects have an owner and privileges, but neither a schema nor policies.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const largeObjects = bySql(
  {
    stem: 'large-objects',
    level: 'error',
    title: 'The application may read or write large objects',
    gain: 'They belong to a role, and all tenants share it: whoever guesses a number reads the file.',
    scope: 'database',
  },
  `${withGrantees}
   select format('large objects for %s', g.name) as object,
          format('%s may use %s large objects.', case g.oid when 0 then 'Every role' else g.name end, count(distinct o.oid)) as problem,
          string_agg(distinct format('revoke all on large object %s from %s;', o.oid, g.name), ' ') as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_largeobject_metadata as o
    cross join lateral aclexplode(o.lomacl) as acl
     join grantees as g on g.oid = acl.grantee
    group by g.oid, g.name
    order by 1`,
)
