// Values of enumerations that the other place does not know.

import { inDatabase, type MoveCheck } from '../check.ts'
import type { MovePlace } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

interface Enumeration {
  readonly short: string
  readonly name: string
  readonly labels: readonly string[]
}

export const types: MoveCheck = {
  rule: 'types',
  level: 'refuse',
  async check({ source, target }) {
    if (!source.isMade || !target.isMade) return []
    const [here, there] = await Promise.all([enumerations(source), enumerations(target)])
    return here.flatMap(({ short, labels }) => {
      const other = there.find((one) => one.short === short)
      // A type that is not there at all is seen where the columns are compared.
      const missing = other === undefined ? [] : labels.filter((label) => !other.labels.includes(label))
      if (other === undefined || missing.length === 0) return []
      return [
        {
          at: inDatabase(target),
          object: other.name,
          problem: `The target does not know the value ${missing.map((label) => JSON.stringify(label)).join(', ')}: a row that has it stops the copy.`,
          fix: missing.map((label) => `alter type ${other.name} add value if not exists '${label.replaceAll("'", "''")}';`).join('\n'),
        },
      ]
    })
  },
}

async function enumerations(place: MovePlace): Promise<readonly Enumeration[]> {
  return await place.query<Enumeration>(
    `${withTables}
     select case when n.nspname = coalesce($1, 'app') then quote_ident(y.typname) else format('%I.%I', n.nspname, y.typname) end as short,
            format('%I.%I', n.nspname, y.typname) as name,
            array(select e.enumlabel::text from pg_catalog.pg_enum as e where e.enumtypid = y.oid order by e.enumsortorder) as labels
       from pg_catalog.pg_type as y
       join pg_catalog.pg_namespace as n on n.oid = y.typnamespace
      where y.typtype = 'e'
        and exists (select from tables as t join pg_catalog.pg_attribute as a on a.attrelid = t.oid and not a.attisdropped
                     where a.atttypid in (y.oid, y.typarray))
      order by 2`,
    [place.ownSchema ?? null],
  )
}
