// A table with policies of its own, all of them permissive. Protected tables have restrictive twins, which the check changed-policy looks
// after.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const noRestrictiveTwin = bySql(
  {
    stem: 'no-restrictive-twin',
    level: 'warning',
    title: 'Nothing stands behind a permissive policy',
    gain: 'The next permissive policy that somebody adds (“published documents are for all”) opens the table to every tenant.',
    scope: 'database',
  },
  `${withPolicies}
   select p.table_name as object,
          format('%s has %s, joined by OR, and no restrictive one behind: %s.', p.table_name,
            case count(*) when 1 then 'one permissive policy' else format('%s permissive policies', count(*)) end, string_agg(format('%I', p.name), ', ' order by p.name)) as problem,
          -- Of several nobody but their author knows which one must always hold.
          case when count(*) = 1 and min(p.command) = '*' then
            format('create policy %I on %s as restrictive for all to public using (%s)%s;', left(min(p.name), 55) || '_wall', p.table_name, min(p.uses),
              ' with check (' || min(p.checks) || ')') end as fix,
          case count(*) when 1 then 'note' else 'warning' end as level
     from policies as p
    where p.is_permissive and not p.is_protected and not p.is_global and p.is_reached
      and not exists (select from policies as twin where twin.rel = p.rel and not twin.is_permissive)
    group by p.rel, p.table_name
    order by 1`,
)
