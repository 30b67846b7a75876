// A permissive policy beside partywall's own. It is an error where the restrictive twins do not all stand behind it.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const foreignPermissivePolicy = bySql(
  {
    stem: 'foreign-permissive-policy',
    level: 'warning',
    title: 'A protected table has a permissive policy that is not partywall’s',
    gain: 'While the restrictive twins stand, nothing; the day that one of them is gone, whatever the policy lets through.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The permissive policy %I on %s is not partywall''s: permissive policies open what others close%s.', p.name, p.table_name,
            case when twins.stand then ', and only the restrictive twins hold it' else '' end) as problem,
          format('drop policy %I on %s;', p.name, p.table_name) as fix,
          twins.stand as "isFixSafe",
          case when twins.stand then 'warning' else 'error' end as level
     from policies as p
    cross join lateral (
            select count(*) = 4 as stand
              from pg_catalog.pg_policy as twin
             where twin.polrelid = p.rel and not twin.polpermissive and twin.polroles = '{0}' and twin.polname ~ '^partywall_wall_(select|insert|update|delete)$'
          ) as twins
    where p.is_protected and p.is_permissive
    order by 1`,
)
