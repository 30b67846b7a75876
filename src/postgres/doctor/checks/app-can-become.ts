// The application's login is a member of another role: it has that role's privileges, or can take them with SET ROLE.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const appCanBecome = bySql(
  {
    stem: 'app-can-become',
    level: 'error',
    title: 'The application’s login can act as another role',
    gain: 'One injected expression has all that the other role may do: its tables, and perhaps the right to pass every policy.',
    scope: 'server',
  },
  `${withReach}
   select m.rolname::text as object,
          format('%I can act as %I%s.', l.rolname, m.rolname,
            case when m.rolsuper or m.rolbypassrls then ', for whom no policy holds' else '' end) as problem,
          string_agg(format('revoke %I from %I;', m.rolname, holder.rolname), ' ' order by holder.rolname) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from reach
     join logins as l on l.oid = reach.login
     join pg_catalog.pg_roles as m on m.oid = reach.role
     join pg_catalog.pg_auth_members as am on am.roleid = m.oid and am.member in (select r.role from reach as r where r.login = l.oid)
     join pg_catalog.pg_roles as holder on holder.oid = am.member
    where m.oid <> l.oid and m.rolname <> '${roles.tenants}'
    group by l.rolname, m.rolname, m.rolsuper, m.rolbypassrls
    order by 1`,
)
