// A role with ADMIN OPTION gives the membership to whom it will, itself included.

import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const adminOption = bySql(
  {
    stem: 'admin-option',
    level: 'error',
    title: 'The application can hand out membership in a role',
    gain: 'One injected GRANT makes the application’s login, or one of the attacker’s, a member of the role.',
    scope: 'server',
  },
  `${withReach}
   select format('%I for %I', g.rolname, m.rolname) as object,
          format('%I may grant %I to others and to itself.', m.rolname, g.rolname) as problem,
          string_agg(format('revoke admin option for %I from %I granted by %I;', g.rolname, m.rolname, by.rolname), ' ' order by by.rolname) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_auth_members as am
     join pg_catalog.pg_roles as g on g.oid = am.roleid
     join pg_catalog.pg_roles as m on m.oid = am.member
     join pg_catalog.pg_roles as by on by.oid = am.grantor
    where am.admin_option and am.member in (select reach.role from reach)
    group by g.rolname, m.rolname
    order by 1`,
)
