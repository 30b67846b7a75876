// A protected table whose rows are not in PostgreSQL's log.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const unloggedTable = bySql(
  {
    stem: 'unlogged-table',
    level: 'warning',
    title: 'A protected table is unlogged',
    gain: 'Whoever makes the server crash empties the table for all tenants; its rows are on no replica, in no continuous backup and in no move.',
    scope: 'database',
  },
  `${withWalled}
   select t.name as object,
          format('%s is unlogged: a crash empties it, and it is neither replicated nor moved.', t.name) as problem,
          format('alter table %s set logged;', t.name) as fix
     from guarded as t
    where t.persistence = 'u'
    order by 1`,
)
