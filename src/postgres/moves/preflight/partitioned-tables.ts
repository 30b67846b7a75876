// Partitions that only the source has: a row for which the target has none stops the copy.

import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MovePlace } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

interface Partition {
  /** The table that it belongs to in the end, without its schema where that is the place's. */
  readonly short: string
  readonly parent: string
  readonly parentShort: string
  readonly name: string
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
    for (const { short, parentShort, name, bound, isLeaf } of here) {
      const siblings = there.filter((other) => other.parentShort === parentShort)
      if (siblings.length === 0 || siblings.some((other) => other.bound === bound || other.bound === 'DEFAULT')) continue
      const [{ parent }] = siblings as [Partition]
      const own = `${parent.split('.')[0]}.${name.split('.').slice(1).join('.')}`
      found.push({
        at: inDatabase(target),
        object: `${parent} ${bound}`,
        problem: `The source has the partition ${name}, and the target has none for such rows: the first one stops the copy.`,
        fix:
          isLeaf && short === parentShort
            ? `create table ${own} partition of ${parent} ${bound}; select partywall.protect('${parent}');`
            : null,
      })
    }
    return found
  },
}

async function partitionsOf(place: MovePlace): Promise<readonly Partition[]> {
  return await place.query<Partition>(
    `${withTables}
     select t.short, partywall.table_name(i.inhparent) as parent,
            case when i.inhparent = t.oid then t.short else (select quote_ident(p.relname) from pg_catalog.pg_class as p where p.oid = i.inhparent) end as "parentShort",
            m.name, pg_get_expr(c.relpartbound, c.oid) as bound, c.relkind <> 'p' as "isLeaf"
       from members as m
       join tables as t on t.oid = m.root and m.oid <> t.oid
       join pg_catalog.pg_class as c on c.oid = m.oid
       join pg_catalog.pg_inherits as i on i.inhrelid = m.oid
      order by m.name`,
    [place.ownSchema ?? null],
  )
}
