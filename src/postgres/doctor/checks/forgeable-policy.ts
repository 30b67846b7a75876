// A policy that reads current_setting(), by itself or through a function of the application's. A custom setting is a claim that every
// statement can rewrite, inside one parameterised statement; it cannot be locked.

import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const forgeablePolicy = bySql(
  {
    stem: 'forgeable-policy',
    level: 'error',
    title: 'A policy believes a setting that any SQL can change',
    gain: 'One injected expression in a WHERE clause or a CTE sets it anew, and the statement goes on as another tenant.',
    scope: 'database',
  },
  `${withFunctions}
   select p.object,
          format('The policy %I of %s believes a setting that any SQL can change (%s).', p.name, p.table_name, reads.how) as problem,
          p.remedy as fix,
          case when p.is_reached then 'error' else 'warning' end as level
     from policies as p
    cross join lateral (
            select string_agg(said.how, ', ' order by said.how) as how
              from (
                select 'current_setting() in the policy' where concat(p.uses, p.checks) ~* '\\mcurrent_setting\\('
                union all
                select 'by ' || f.name
                  from policy_functions as pf
                  join functions as f on f.oid = pf.function
                 where pf.policy = p.oid and f.source ~* '\\mcurrent_setting\\s*\\('
              ) as said (how)
          ) as reads
    where reads.how is not null and not p.is_global and not (p.is_protected and not p.is_permissive)
    order by 1`,
)
