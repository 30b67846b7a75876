// A protected table whose policies hold for everybody but its owner, with whose rights views and definer functions run.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const rowSecurityNotForced = bySql(
  {
    stem: 'row-security-not-forced',
    level: 'error',
    title: 'Row-level security is not forced on a protected table',
    gain: 'Whatever runs with the rights of the table’s owner (a view, a SECURITY DEFINER function, a migration) sees the rows of all tenants.',
    scope: 'database',
  },
  `${withTables}
   select m.name as object,
          format('Row-level security is not forced on %s: it does not hold for its owner %I, nor for what runs with its rights.', m.name, pg_get_userbyid(c.relowner)) as problem,
          format('alter table %s force row level security;', m.name) as fix,
          true as "isFixSafe"
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
    where m.is_protected and c.relrowsecurity and not c.relforcerowsecurity
    order by 1`,
)
