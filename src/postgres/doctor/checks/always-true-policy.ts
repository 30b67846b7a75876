// A permissive policy whose expression is true whatever the row. Tables that are declared global may have one for reading. On a protected
// table it is foreign-permissive-policy.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const alwaysTruePolicy = bySql(
  {
    stem: 'always-true-policy',
    level: 'error',
    title: 'A policy lets everybody through',
    gain: 'Every tenant reads, or writes, all rows of the table that the policy stands on.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The policy %I lets everybody %s every row of %s: %s.', p.name,
            case when truth.reads and p.command in ('*', 'r') then 'see' else 'write' end, p.table_name,
            concat_ws(', ', 'using ' || p.uses, 'with check ' || p.checks)) as problem,
          p.remedy as fix,
          case when p.is_reached then 'error' else 'warning' end as level
     from policies as p
    cross join lateral (
            select coalesce(p.uses ~* truism.pattern, false) as reads, coalesce(p.checks ~* truism.pattern, false) as writes
              from (values ('^\\(*(true|(\\S+) = \\2|\\S+ is not null|not false)\\)*$')) as truism (pattern)
          ) as truth
    where p.is_permissive and not p.is_protected
      and (truth.reads or truth.writes)
      and not (p.is_global and (p.command = 'r' or not p.is_reached))
    order by 1`,
)
