// Generated columns are not sent, but computed again where the rows arrive: in a key by which rows are known, they would be missing.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const generatedColumns: MoveCheck = {
  rule: 'generated-columns',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select distinct format('%s.%I', m.name, a.attname) as object,
                format('%I is generated, and part of what %s knows its rows by: replication does not send it, so that no row could be changed.', a.attname, m.name) as problem,
                format('alter table %s alter column %I drop expression;', m.root_name, a.attname) as fix
           from members as m
           join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attgenerated <> '' and not a.attisdropped
           left join pg_catalog.pg_index as i on i.indrelid = m.oid and a.attnum = any (i.indkey)
            and ((m.relreplident = 'd' and i.indisprimary) or (m.relreplident = 'i' and i.indisreplident))
          where m.relkind = 'r' and (m.relreplident = 'f' or i.indexrelid is not null)
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
