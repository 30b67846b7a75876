// Rows of which PostgreSQL cannot tell the tenant when they change: no tenant's could be changed any more.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const replicaIdentity: MoveCheck = {
  rule: 'replica-identity',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select m.name as object,
                format('%I is not in the replica identity of %s: while its rows are published, every UPDATE and DELETE there is refused, whoever''s row it is.', m.tenant_column, m.name) as problem,
                format('alter table %s replica identity %s;', m.name,
                  case when exists (
                    select from pg_catalog.pg_index as k
                     where k.indrelid = m.oid and k.indisprimary and k.indisvalid and k.indimmediate and m.tenant_attnum = any (k.indkey)
                  ) then 'default' else 'full' end) as fix
           from members as m
          where m.relkind = 'r'
            and m.relreplident <> 'f'
            and not exists (
              select from pg_catalog.pg_index as i
               where i.indrelid = m.oid and i.indisvalid and i.indimmediate and m.tenant_attnum = any (i.indkey)
                 and ((m.relreplident = 'd' and i.indisprimary) or (m.relreplident = 'i' and i.indisreplident))
            )
          order by m.name`,
        [place.ownSchema ?? null],
      ),
    ),
}
