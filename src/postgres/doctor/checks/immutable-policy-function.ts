// A function that a policy calls, declared IMMUTABLE though what it returns depends on the session or on tables. PostgreSQL computes it once,
// when it plans, and a cached plan outlives the tenant.

import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const immutablePolicyFunction = bySql(
  {
    stem: 'immutable-policy-function',
    level: 'error',
    title: 'A policy calls a function that is wrongly IMMUTABLE',
    gain: 'The plan of a prepared statement keeps the first tenant that it was made for: the next one is handed the first one’s rows.',
    scope: 'database',
  },
  `${withFunctions}
   select f.name as object,
          format('%s is IMMUTABLE and depends on the session or on tables; it is called by %s.', f.name, string_agg(distinct p.object, ', ')) as problem,
          format('alter function %s stable;', f.name) as fix,
          true as "isFixSafe"
     from policies as p
     join policy_functions as pf on pf.policy = p.oid
     join functions as f on f.oid = pf.function
    where f.volatility = 'i' and f.source ~* '(\\mcurrent_setting\\M|\\mselect\\M|\\mpartywall\\.|\\mcurrent_user\\M|\\msession_user\\M|\\mcurrent_role\\M)'
    group by f.name
    order by 1`,
)
