// Tables whose rows are in no log: nothing of them is replicated.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const unloggedTables: MoveCheck = {
  rule: 'unlogged-tables',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select m.name as object,
                'The table is unlogged: its changes cannot be replicated, and a crash empties it.' as problem,
                format('alter table %s set logged;', m.name) as fix
           from members as m
          where m.relkind = 'r' and m.relpersistence = 'u'
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
