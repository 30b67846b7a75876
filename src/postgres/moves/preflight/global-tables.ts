// Rows of global tables that the tenant's rows refer to: they do not move, so that the target must have the same.

import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MovePlace } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

/** Larger ones are not compared row by row. */
const rowsMax = 20_000
const rowsShown = 5

interface Global {
  readonly short: string
  readonly name: string
  /** The columns that are referred to, quoted. */
  readonly key: readonly string[]
  readonly rows: number
}

interface Row {
  readonly key: string
  readonly content: string
}

export const globalTables: MoveCheck = {
  rule: 'global-tables',
  level: 'refuse',
  async check({ source, target }) {
    if (!source.isMade || !target.isMade || source.databaseName === undefined) return []
    const referred = await referredGlobals(source)
    const answers = await Promise.all(referred.map((table) => compare(source, target, table)))
    return answers.flat()
  },
}

async function compare(source: MovePlace, target: MovePlace, table: Global): Promise<readonly SaidAt[]> {
  const at = inDatabase(target)
  const name = `${target.ownSchema ?? 'app'}.${table.short}`
  const other = table.short.includes('.') ? table.short : name
  if (other === table.name && source.placement.database === target.placement.database) return []
  const [there] = await target.query<{ isThere: boolean }>('select to_regclass($1) is not null as "isThere"', [other])
  if (there?.isThere !== true) return [{ at, object: other, problem: 'The target has no such global table: migrate it first.' }]
  if (table.rows > rowsMax)
    return [
      {
        at,
        level: 'warn',
        object: other,
        problem: `It has about ${table.rows} rows at the source, too many to compare here: see that the target has the same.`,
      },
    ]
  const [here, elsewhere] = await Promise.all([rowsOf(source, table.name, table.key), rowsOf(target, other, table.key)])
  const contents = new Map(elsewhere.map(({ key, content }) => [key, content]))
  const missing = here.filter(({ key }) => !contents.has(key))
  const differing = here.filter(({ key, content }) => contents.has(key) && contents.get(key) !== content)
  const found: SaidAt[] = []
  if (missing.length > 0) {
    const json = `[${missing.map(({ content }) => content).join(', ')}]`
    found.push({
      at,
      object: other,
      problem: `The target lacks ${missing.length} of its rows, to which the tenant's may refer: ${shown(missing)}.`,
      fix: `insert into ${other} select r.* from jsonb_populate_recordset(null::${other}, '${json.replaceAll("'", "''")}') as r;`,
    })
  }
  if (differing.length > 0)
    found.push({
      at,
      level: 'warn',
      object: other,
      problem: `${differing.length} of its rows are not the same at the target: ${shown(differing)}.`,
    })
  return found
}

function shown(rows: readonly Row[]): string {
  const keys = rows.slice(0, rowsShown).map(({ key }) => key)
  return rows.length > rowsShown ? `${keys.join(', ')}, …` : keys.join(', ')
}

async function rowsOf(place: MovePlace, table: string, key: readonly string[]): Promise<readonly Row[]> {
  return await place.query<Row>(
    `select jsonb_build_array(${key.map((column) => `t.${column}`).join(', ')})::text as key, to_jsonb(t)::text as content from ${table} as t order by 1`,
  )
}

async function referredGlobals(place: MovePlace): Promise<readonly Global[]> {
  return await place.query<Global>(
    `${withTables}
     select distinct case when n.nspname = coalesce($1, 'app') then quote_ident(c.relname) else format('%I.%I', n.nspname, c.relname) end as short,
            g.table_name as name, greatest(c.reltuples, 0)::float8 as rows,
            array(select quote_ident(a.attname) from unnest(k.confkey) as part (attnum) join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = part.attnum order by 1) as key
       from tables as t
       join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'f'
       join pg_catalog.pg_class as c on c.oid = k.confrelid
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join partywall.global_tables as g on g.table_name = partywall.table_name(c.oid)
      order by 2`,
    [place.ownSchema ?? null],
  )
}
