// Roles that PostgreSQL predefines: they read or write what no grant names. The application’s own are errors.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const powerRole = bySql(
  {
    stem: 'power-role',
    level: 'warning',
    title: 'A login has one of PostgreSQL’s predefined roles of power',
    gain: 'With pg_read_all_data it reads every table without a policy, with pg_monitor other tenants’ statements, with pg_execute_server_program and the file roles everything on the machine.',
    scope: 'server',
  },
  `${withReach}, watched (oid) as (
     select reach.role from reach
     union
     select r.oid from pg_catalog.pg_roles as r
      where r.rolname in ('${roles.owner}', '${roles.migrator}', '${roles.gatekeeper}', '${roles.doctor}')
   )
   select format('%I for %I', g.rolname, m.rolname) as object,
          format('%I has the predefined role %I.', m.rolname, g.rolname) as problem,
          string_agg(format('revoke %I from %I granted by %I;', g.rolname, m.rolname, by.rolname), ' ' order by by.rolname) as fix,
          'administrator' as "fixAs", true as "isFixSafe",
          case when m.oid in (select reach.role from reach) then 'error' else 'warning' end as level
     from pg_catalog.pg_auth_members as am
     join watched as w on w.oid = am.member
     join pg_catalog.pg_roles as g on g.oid = am.roleid
     join pg_catalog.pg_roles as m on m.oid = am.member
     join pg_catalog.pg_roles as by on by.oid = am.grantor
    where g.rolname ~ '^pg_' and m.rolname !~ '^pg_'
      and not (g.rolname = 'pg_read_all_settings' and m.rolname = '${roles.doctor}')
    group by g.rolname, m.rolname, m.oid
    order by 1`,
)
