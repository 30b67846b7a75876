// Partitions that only the source has: a row for which the target has none stops the copy.

import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MovePlace } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

interface Partition {
  /** The table that it belongs to, without its schema where that is the place's. */
  readonly parentShort: string
  readonly parent: string
  /** Is that the protected table itself? */
  readonly isFirst: boolean
  /** Null for a table that has none. */
  readonly name: string | null
  readonly bound: string
  readonly isLeaf: boolean
}

export const partitionedTables: MoveCheck = {
  rule: 'partitioned-tables',
  level: 'refuse',
  async check({ source, target }) {
    if (!source.isMade || !target.isMade) return []
    const [here, there] = await Promise.all([partitionsOf(source), partitionsOf(target)])
    const found: SaidAt[] = []
    for (const { parentShort, name, bound, isLeaf, isFirst } of here) {
      const siblings = there.filter((other) => other.parentShort === parentShort)
      // A table that has no partitions at all takes every row; one that is not there is seen where the shapes are compared.
      if (name === null || siblings.length === 0 || siblings.some((other) => other.bound === bound || other.bound === 'DEFAULT')) continue
      const [{ parent }] = siblings as [Partition]
      const own = `${parent.split('.')[0]}.${name.split('.').slice(1).join('.')}`
      found.push({
        at: inDatabase(target),
        object: `${parent} ${bound}`,
        problem: `The source has the partition ${name}, and the target has none for such rows: the first one stops the copy.`,
        fix: isLeaf && isFirst ? `create table ${own} partition of ${parent} ${bound}; select partywall.protect('${parent}');` : null,
      })
    }
    return found
  },
}

async function partitionsOf(place: MovePlace): Promise<readonly Partition[]> {
  return await place.query<Partition>(
    `${withTables}
     select case when m.oid = t.oid then t.short else quote_ident(p.relname) end as "parentShort", m.name as parent, m.oid = t.oid as "isFirst",
            partywall.table_name(c.oid) as name, coalesce(pg_get_expr(c.relpartbound, c.oid), '') as bound, coalesce(c.relkind <> 'p', true) as "isLeaf"
       from members as m
       join tables as t on t.oid = m.root
       join pg_catalog.pg_class as p on p.oid = m.oid
       left join pg_catalog.pg_inherits as i on i.inhparent = m.oid
       left join pg_catalog.pg_class as c on c.oid = i.inhrelid
      where m.relkind = 'p'
      order by m.name, c.relname`,
    [place.ownSchema ?? null],
  )
}
