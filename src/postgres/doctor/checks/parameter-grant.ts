// Settings that only superusers may change, unless it was granted: pg_parameter_acl.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const parameterGrant = bySql(
  {
    stem: 'parameter-grant',
    level: 'error',
    title: 'The application may change a setting that is kept for superusers',
    gain: 'Setting session_replication_role switches triggers and foreign keys off; others hide statements from the log or load code.',
    scope: 'server',
  },
  `${withGrantees}
   select format('%s for %s', p.parname, g.name) as object,
          format('%s may %s the setting %s.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(lower(acl.privilege_type), ' and ' order by acl.privilege_type), p.parname) as problem,
          format('revoke all on parameter %s from %s;', p.parname, g.name) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_parameter_acl as p
    cross join lateral aclexplode(p.paracl) as acl
     join grantees as g on g.oid = acl.grantee
    group by p.parname, g.oid, g.name
    order by 1`,
)
