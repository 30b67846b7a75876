// A table in the list of protected tables whose row-level security somebody has switched off.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const rowSecurityOff = bySql(
  {
    stem: 'row-security-off',
    level: 'error',
    title: 'Row-level security is off on a protected table',
    gain: 'Policies that are not enabled hold for nobody: every tenant reads and writes the rows of all.',
    scope: 'database',
  },
  `${withTables}
   select m.name as object,
          format('Row-level security is not enabled on %s: its policies hold for nobody.', m.name) as problem,
          format('alter table %s enable row level security, force row level security;', m.name) as fix,
          exists (select from pg_catalog.pg_policy as p where p.polrelid = m.oid and p.polname = 'partywall_tenant') as "isFixSafe"
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
    where m.is_protected and not c.relrowsecurity
    order by 1`,
)
