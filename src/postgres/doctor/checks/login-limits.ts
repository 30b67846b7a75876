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
    order by 1`,
)
