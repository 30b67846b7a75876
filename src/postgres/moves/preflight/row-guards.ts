// What replication brings is held by no policy. A guard of each table refuses rows that are not the moving tenant's.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const rowGuards: MoveCheck = {
  rule: 'row-guards',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        place.ownSchema === undefined
          ? `${withTables}
             select m.name as object,
                    'The table has no guard against replicated rows of other tenants, or a part of it is switched off.' as problem,
                    format('select partywall.guard_applied_rows(%L, %L);', m.root_name, m.tenant_column) as fix
               from members as m
              where $1::text is null
                and (select count(*) from pg_catalog.pg_trigger as g
                      where g.tgrelid = m.oid and g.tgenabled = 'R' and g.tgname in ('partywall_guard_insert', 'partywall_guard_update', 'partywall_guard_delete')) < 3
              order by 1`
          : `${withTables}
             select t.name as object, 'The table does not check that its rows are its own tenant''s.' as problem,
                    format('select partywall.keep_to_dweller(%L, %L);', t.name, t.tenant_column) as fix
               from tables as t
              where not exists (
                      select from pg_catalog.pg_constraint as k
                       where k.conrelid = t.oid and k.conname = 'partywall_tenant_check' and k.convalidated
                    )
              order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
