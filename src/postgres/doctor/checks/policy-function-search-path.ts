// A function that a policy calls and whose search_path is not pinned, with pg_temp last. It is an error where a login can make a temporary
// table or a schema.

import { bySql } from '../check.ts'
import { pinnedPath, withFunctions } from '../functions.ts'

export const policyFunctionSearchPath = bySql(
  {
    stem: 'policy-function-search-path',
    level: 'warning',
    title: 'A policy calls a function that looks names up where the caller says',
    gain: 'A temporary table, or a table in a schema of one’s own, with the name that the function reads: the policy believes what is in it.',
    scope: 'database',
  },
  `${withFunctions}
   select f.name as object,
          format('%s looks names up %s; it is called by %s.', f.name,
            case when f.search_path is null then 'in the caller''s search_path' else format('in %s, and in temporary tables before that', f.search_path) end,
            string_agg(distinct p.object, ', ')) as problem,
          ${pinnedPath} as fix,
          case when makers.can_make then 'error' else 'warning' end as level
     from policies as p
     join policy_functions as pf on pf.policy = p.oid
     join functions as f on f.oid = pf.function
    cross join makers
    where f.is_temp_first
    group by f.name, f.schema, f.search_path, makers.can_make
    order by 1`,
)
