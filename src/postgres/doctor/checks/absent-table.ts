// Lists that have outlived their tables.

import { bySql } from '../check.ts'

export const absentTable = bySql(
  {
    stem: 'absent-table',
    level: 'note',
    title: 'A list of partywall names a table that is not there',
    gain: 'A table that is made under the name later counts as declared, whatever is in it.',
    scope: 'database',
  },
  `select format('%s: %s', l.list, l.name) as object,
          format('%s names %s, which is no table.', l.list, l.name) as problem,
          format('delete from partywall.%I where table_name = %L;', l.list, l.name) as fix,
          true as "isFixSafe"
     from (
       select 'protected_tables', p.table_name from partywall.protected_tables as p
       union all
       select 'global_tables', g.table_name from partywall.global_tables as g
     ) as l (list, name)
    where $1::name is not null
      and not exists (
        select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
         where format('%I.%I', n.nspname, c.relname) = l.name
      )
    order by 1`,
)
