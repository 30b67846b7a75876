// Rules of protected tables. A view's own is none of a table.

import { bySql } from '../check.ts'
import { parts } from '../protected-parts.ts'
import { withTables } from '../reach.ts'

export const rewriteRule = bySql(
  {
    stem: 'rewrite-rule',
    level: 'warning',
    title: 'A rule rewrites statements on a protected table',
    gain: 'What a rule adds to a statement is done with the rights of the table’s owner: it writes where the application has no privilege.',
    scope: 'database',
  },
  `${withTables}, ${parts}
   select format('%I on %s', r.rulename, p.name) as object,
          format('The rule %I turns %s on %s into something else.', r.rulename,
            case r.ev_type when '2' then 'UPDATE' when '3' then 'INSERT' when '4' then 'DELETE' else 'SELECT' end, p.name) as problem,
          format('drop rule %I on %s;', r.rulename, p.name) as fix
     from parts as p
     join pg_catalog.pg_rewrite as r on r.ev_class = p.oid
    where r.ev_enabled <> 'D'
    order by 1`,
)
