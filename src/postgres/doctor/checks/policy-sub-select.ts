// A policy that reads a table besides its own. Partywall's views, which give the tenant that is bound, are no such table.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const policySubSelect = bySql(
  {
    stem: 'policy-sub-select',
    level: 'warning',
    title: 'A policy asks another table',
    gain: 'Whoever may write the other table, or finds it without policies, decides whose rows are shown; a revocation does not reach a statement that has begun.',
    scope: 'database',
  },
  `${withPolicies}
   select p.object,
          format('The policy %I of %s reads %s: whoever can change that decides what is shown.', p.name, p.table_name,
            string_agg(distinct format('%I.%I', n.nspname, c.relname), ', ')) as problem,
          p.remedy as fix
     from policies as p
     join pg_catalog.pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> p.rel
     join pg_catalog.pg_class as c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v', 'm', 'f')
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname <> 'partywall' and p.is_reached and not p.is_global
    group by p.object, p.name, p.table_name, p.remedy
    order by 1`,
)
