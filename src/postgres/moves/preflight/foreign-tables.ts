// Tables whose rows are on some other server.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const foreignTables: MoveCheck = {
  rule: 'foreign-tables',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select case when m.oid is null then 'warn' end as level, partywall.table_name(c.oid) as object,
                case when m.oid is null then 'A foreign table is not moved: its rows stay where they are, and the other place needs one of its own.'
                     else format('A foreign table is a partition of %s, which cannot be published then.', m.root_name) end as problem,
                case when m.oid is not null then format('alter table %s detach partition %s;', m.root_name, m.name) end as fix
           from pg_catalog.pg_class as c
           left join members as m on m.oid = c.oid
          where c.relkind = 'f' and (m.oid is not null or c.relnamespace = to_regnamespace(quote_ident($2)))
          order by 2`,
        [place.ownSchema ?? null, place.placement.schema],
      ),
    ),
}
