// A policy on a table of the application whose roles are not PUBLIC.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const policyForRoles = bySql(
  {
    stem: 'policy-for-roles',
    level: 'warning',
    title: 'A policy holds for some roles instead of for everybody',
    gain: 'A role that the list does not name is held by nothing, or by another policy; plans that were cached for one role have been run for another.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The policy %I of %s holds for %s alone.', p.name, p.table_name,
            (select string_agg(format('%I', pg_get_userbyid(role)), ', ') from unnest(p.roles) as role)) as problem,
          -- A permissive policy that held for all would let more in: that a person decides.
          case when p.is_permissive then p.remedy else format('alter policy %I on %s to public;', p.name, p.table_name) end as fix
     from policies as p
    where p.roles <> '{0}' and p.is_reached
    order by 1`,
)
