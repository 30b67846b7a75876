// Limits that the login’s sessions begin with. Without them one tenant’s statement holds locks and a connection for as long as it likes.

import { appRoleLimits } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const loginLimits = bySql(
  {
    stem: 'login-limits',
    level: 'warning',
    title: 'The application’s login has no limit of time',
    gain: 'One tenant’s statement, or one transaction left open, holds locks and connections until the neighbours’ requests fail.',
    scope: 'server',
  },
  `${withReach}
   select format('%I: %s', l.rolname, wanted.name) as object,
          format('%I has no %s.', l.rolname, wanted.name) as problem,
          format('alter role %I set %s = %s;', l.rolname, wanted.name, wanted.ms) as fix,
          'administrator' as "fixAs"
     from logins as l
     join pg_catalog.pg_roles as r on r.oid = l.oid
    cross join (values
      ('statement_timeout', ${appRoleLimits.statementTimeoutMs}),
      ('lock_timeout', ${appRoleLimits.lockTimeoutMs}),
      ('idle_in_transaction_session_timeout', ${appRoleLimits.idleInTransactionTimeoutMs})) as wanted (name, ms)
    where not exists (
      select from unnest(r.rolconfig) as setting
       where split_part(setting, '=', 1) = wanted.name and split_part(setting, '=', 2) !~ '^ *0+ *[a-z]*$')
    union all
   -- What is stored for a login in one database wins over what is stored for the login.
   select format('%I in %I: %s', l.rolname, d.datname, split_part(setting, '=', 1)),
          format('%I has no %s in %I.', l.rolname, split_part(setting, '=', 1), d.datname),
          format('alter role %I in database %I reset %s;', l.rolname, d.datname, split_part(setting, '=', 1)),
          'administrator'
     from pg_catalog.pg_db_role_setting as s
     join logins as l on l.oid = s.setrole
     join pg_catalog.pg_database as d on d.oid = s.setdatabase
    cross join lateral unnest(s.setconfig) as setting
    where split_part(setting, '=', 1) in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
      and split_part(setting, '=', 2) ~ '^ *0+ *[a-z]*$'
    order by 1`,
)
