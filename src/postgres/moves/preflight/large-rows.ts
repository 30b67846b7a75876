// Rows that are too large to be sent. PostgreSQL decodes a row in memory, as text, and no text is larger than 1 GB.

import pg from 'pg'
import { quoted } from '../../table-shape.ts'
import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MoveSurvey } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

/** As stored: compressed, and in binary. As text it is two to four times that. */
const rowBytesDefault = 256 * 1024 * 1024
const rowsShown = 3
/** Tables of more pages are read in part. */
const pagesMax = 20_000

interface Wide {
  readonly name: string
  readonly tenantColumn: string
  readonly type: 'uuid' | 'bigint' | 'text'
  readonly key: readonly string[]
  readonly columns: readonly string[]
  readonly pages: number
}

export const largeRows: MoveCheck = {
  rule: 'large-rows',
  level: 'warn',
  async check(survey) {
    const { source, rowBytesMax = rowBytesDefault } = survey
    if (!source.isMade) return []
    // What is stored out of line is looked at alone: nothing else can be so large, and few tables have that much of it.
    const tables = await source.query<Wide>(
      `${withTables}
       select m.name, m.tenant_column as "tenantColumn", partywall.tenant_key_type(m.oid, m.tenant_column) as type, c.relpages as pages,
              array(select a.attname::text from pg_catalog.pg_index as i join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attnum = any (i.indkey)
                     where i.indrelid = m.oid and i.indisprimary and a.attname <> m.tenant_column) as key,
              array(select a.attname::text from pg_catalog.pg_attribute as a
                     where a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped and a.attstorage <> 'p' and a.attlen = -1) as columns
         from members as m
         join pg_catalog.pg_class as c on c.oid = m.oid
        where m.relkind = 'r' and c.reltoastrelid <> 0 and pg_relation_size(c.reltoastrelid) >= $2
          and partywall.tenant_key_type(m.oid, m.tenant_column) is not null
        order by m.name`,
      [source.ownSchema ?? null, rowBytesMax],
    )
    return (await Promise.all(tables.map((table) => rowsOf(survey, table, rowBytesMax)))).flat()
  },
}

/** As the administrator, whom policies do not hold; one for whom they do is told so, and finds nothing. */
async function rowsOf({ source, tenant }: MoveSurvey, table: Wide, rowBytesMax: number): Promise<readonly SaidAt[]> {
  const key = table.type === 'uuid' ? tenant.id : tenant.keys[table.type]
  if (key === undefined || table.columns.length === 0) return []
  const stored = table.columns.map((column) => `coalesce(pg_column_size(t.${quoted(column)}), 0)::bigint`).join(' + ')
  const percent = Math.min(100, (100 * pagesMax) / Math.max(1, table.pages))
  const rows = await source.administer<{ key: string; bytes: string }>(
    `select jsonb_build_array(${table.key.map((column) => `t.${quoted(column)}`).join(', ')})::text as key, ${stored} as bytes
       from ${table.name} as t ${percent < 100 ? `tablesample system (${percent})` : ''}
      where t.${quoted(table.tenantColumn)} = ${pg.escapeLiteral(key)} and ${stored} >= $1
      order by 2 desc
      limit ${rowsShown}`,
    [rowBytesMax],
  )
  return rows.map(({ key, bytes }) => ({
    at: inDatabase(source),
    object: `${table.name} ${key}`,
    problem: `The row takes ${bytes} bytes as stored. A row that is larger than 1 GB as text cannot be sent, and stops the move: store it elsewhere, or in pieces.`,
  }))
}
