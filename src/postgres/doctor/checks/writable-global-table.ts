// Privileges of the application to write a table that holds the same rows for all.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const writableGlobalTable = bySql(
  {
    stem: 'writable-global-table',
    level: 'error',
    title: 'The application may write a table that is declared global',
    gain: 'One tenant writes what all others read: prices, permissions, a script in a text that is shown to everybody.',
    scope: 'database',
  },
  `${withGrants}
   select m.name as object,
          format('%s is declared global, and %s.', m.name, string_agg(distinct format('%s may %s', g.grantee, lower(g.privilege)), ', ')) as problem,
          string_agg(distinct format('revoke insert, update, delete, truncate on %s from %s;', m.name, g.grantee), ' ') as fix,
          true as "isFixSafe"
     from members as m
     join grants as g on g.oid = m.oid and g.privilege in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    where m.is_global
    group by m.name
    order by 1`,
)
