// A policy that is true when its context is missing: IS NULL joined by OR, COALESCE that falls back to the row's own tenant, a CASE that
// answers true. It reads the expression as PostgreSQL prints it.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const failOpenPolicy = bySql(
  {
    stem: 'fail-open-policy',
    level: 'error',
    title: 'A policy lets everybody through when nobody is bound',
    gain: 'A statement that runs without a tenant (a forgotten wrapper, a pooled connection, an injected RESET) sees the rows of all.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The policy %I of %s is true when nobody is bound, or for rows of nobody: %s.', p.name, p.table_name, open.expression) as problem,
          p.remedy as fix,
          case when p.is_reached then 'error' else 'warning' end as level
     from policies as p
    cross join lateral (
            select min(said.expression) as expression
              from (values (p.uses), (p.checks)) as said (expression)
             where (said.expression ~* '\\mor\\M' and said.expression ~* '(\\mis null\\M|= ''''::)')
                or said.expression ~* '\\mis null\\)* then true\\M'
                or said.expression ~* ('coalesce\\(.*\\m' || regexp_replace(p.tenant_column, '\\W', '.', 'g') || '\\M\\)')
                or said.expression ~* 'coalesce\\(.*, true\\)'
          ) as open
    where open.expression is not null and not p.is_global
    order by 1`,
)
