// What the control plane’s own roles can become. More than the memberships that partywall made is a way around the division.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const controlLoginMembership = bySql(
  {
    stem: 'control-login-membership',
    level: 'warning',
    title: 'A role of the control plane can become another one',
    gain: 'Three logins are worth no more than one when the one that answers every request can act as the one that owns the tables.',
    scope: 'server',
  },
  `select format('%I for %I', g.rolname, m.rolname) as object,
          format('%I can act as %I.', m.rolname, g.rolname) as problem,
          string_agg(format('revoke %I from %I granted by %I;', g.rolname, m.rolname, by.rolname), ' ' order by by.rolname) as fix,
          'administrator' as "fixAs", m.rolname <> $1::name as "isFixSafe"
     from pg_catalog.pg_auth_members as am
     join pg_catalog.pg_roles as g on g.oid = am.roleid
     join pg_catalog.pg_roles as m on m.oid = am.member
     join pg_catalog.pg_roles as by on by.oid = am.grantor
    where m.rolname in ('${roles.owner}', '${roles.migrator}', '${roles.gatekeeper}', '${roles.doctor}')
      and g.rolname !~ '^pg_'
      and not (g.rolname = '${roles.owner}' and m.rolname = '${roles.migrator}')
      and not (g.rolname = '${roles.doctor}' and m.rolname in ('${roles.gatekeeper}', '${roles.migrator}'))
    group by g.rolname, m.rolname
    order by 1`,
)
