// References without an index: when the tenant's rows are removed from the place left, each row looks for its children in all of them.

import { inEachPlace, type MoveCheck } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

/** From so many rows of the tenant on it is not slow, but for ever: 100,000 took 41 seconds where 0.3 were enough. */
const rowsMany = 10_000

interface Reference {
  readonly table: string
  readonly object: string
  readonly columns: string
}

export const unindexedForeignKey: MoveCheck = {
  rule: 'unindexed-foreign-key',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, async (place) => {
      const found = await place.query<Reference>(
        `${withTables}
         select t.name as table, format('%s on %s', quote_ident(k.conname), t.name) as object,
                (select string_agg(quote_ident(a.attname), ', ' order by part.ord)
                   from unnest(k.conkey) with ordinality as part (attnum, ord)
                   join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.attnum) as columns
           from tables as t
           join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'f' and k.conparentid = 0
          where exists (select from tables as parent where parent.oid = k.confrelid)
            and not exists (
              select from pg_catalog.pg_index as i
               where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
                 and (i.indkey::int2[])[0 : cardinality(k.conkey) - 1] @> k.conkey
            )
          order by 2`,
        [place.ownSchema ?? null],
      )
      if (found.length === 0) return []
      const sizes = await place.sizes()
      return found.map(({ table, object, columns }) => {
        const rows = Math.round(sizes.find(({ name }) => name === table)?.rows ?? 0)
        return {
          level: rows < rowsMany ? ('warn' as const) : undefined,
          object,
          problem: `No index of ${table} begins with (${columns}): to delete the tenant's rows there, about ${rows} are read for each row referred to.`,
          fix: `create index on ${table} (${columns});`,
        }
      })
    }),
}
