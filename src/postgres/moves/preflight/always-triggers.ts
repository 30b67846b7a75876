// Triggers that fire for replicated rows too: what they did at the other place comes with the rows, and they run without a search_path.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const alwaysTriggers: MoveCheck = {
  rule: 'always-triggers',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select format('%s on %s', quote_ident(g.tgname), m.name) as object,
                format('The trigger fires for replicated rows (enable %s): it would do again what came with the rows, and with an empty search_path.',
                  case g.tgenabled when 'A' then 'always' else 'replica' end) as problem,
                format('alter table %s enable trigger %I;', m.name, g.tgname) as fix
           from members as m
           join pg_catalog.pg_trigger as g on g.tgrelid = m.oid and not g.tgisinternal and g.tgenabled in ('A', 'R')
          where g.tgname not like 'partywall\\_guard\\_%'
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
