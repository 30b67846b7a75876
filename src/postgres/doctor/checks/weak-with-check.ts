// A policy of a command that writes, whose check does not look at the tenant, and no restrictive policy that does. One without a check of its
// own uses that of USING, which is well.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const weakWithCheck = bySql(
  {
    stem: 'weak-with-check',
    level: 'error',
    title: 'A policy checks what is written less than what is read',
    gain: 'A tenant plants rows among another’s, or hands its own over by an UPDATE without WHERE, which no test that reads the rows back would notice.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The policy %I of %s accepts rows of any tenant: it checks %s.', p.name, p.table_name, p.checks) as problem,
          case when p.uses ~ tenant.pattern then format('alter policy %I on %s with check (%s);', p.name, p.table_name, p.uses)
            else p.remedy end as fix,
          case when p.is_reached then 'error' else 'warning' end as level
     from policies as p
    cross join lateral (select '\\m' || regexp_replace(p.tenant_column, '\\W', '.', 'g') || '\\M' as pattern) as tenant
    where p.is_permissive and not p.is_protected
      and p.command in ('*', 'a', 'w')
      and p.checks is not null and p.checks !~ tenant.pattern and p.checks <> 'false'
      and not exists (
        select from policies as twin
         where twin.rel = p.rel and not twin.is_permissive and twin.command in ('*', p.command) and coalesce(twin.checks, twin.uses) ~ tenant.pattern
           and twin.roles = '{0}'
      )
    order by 1`,
)
