// What is derived from the tenant's rows, and not replicated.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'

export const materializedViews: MoveCheck = {
  rule: 'materialized-views',
  level: 'warn',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `select partywall.table_name(c.oid) as object,
                'A materialized view is not replicated: refresh it at the other place after the switch.' as problem
           from pg_catalog.pg_class as c
          where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relkind = 'm'
          order by 1`,
        [place.placement.schema],
      ),
    ),
}
