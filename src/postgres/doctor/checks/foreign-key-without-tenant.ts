// A reference whose two ends may be of two tenants. PostgreSQL checks it below the policies. One that acts when the other row changes is
// told by the check cascade-across-tenants.

import { bySql } from '../check.ts'
import { mendOfReference, withKeyMends } from '../key-mends.ts'

export const foreignKeyWithoutTenant = bySql(
  {
    stem: 'foreign-key-without-tenant',
    level: 'error',
    title: 'A foreign key between protected tables leaves the tenant out',
    gain: 'A tenant refers to another’s row, learns by trying which there are, and keeps the other from deleting them.',
    scope: 'database',
  },
  `${withKeyMends}
   select k.object,
          format('%I lets a row of %s refer to a row of %s that is another tenant''s%s.', k.name, k.here_name, k.there_name,
            case when not k.is_shared then ', once several are in one place' when k.is_here_global then ', and shows every tenant that it is there' else '' end) as problem,
          ${mendOfReference} as fix,
          case when not k.is_shared then 'note' when k.is_written then 'error' else 'warning' end as level
     from foreign_keys as k
     join guarded as t on t.oid = k.there
     join pg_catalog.pg_constraint as c on c.oid = k.oid
     left join key_mends as mends on mends.index = k.index
    where not k.carries_tenant and k.on_update in ('a', 'r') and k.on_delete in ('a', 'r')
    order by 1`,
)
