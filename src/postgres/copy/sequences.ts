// Sequences that feed columns of a table. Rows that were copied bring their numbers with them, and the sequence knows nothing of it.

import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import type { CopyTable } from './copy-tables.ts'

/**
 * Sets each sequence behind the greatest number that the tenant's rows have. It never goes back, and numbers that others draw meanwhile
 * stay theirs.
 */
export async function advanceSequences(connection: ControlConnection, table: CopyTable, key: string): Promise<void> {
  const fed = await connection.query<{ column: string; sequence: string }>(
    `select distinct a.attname::text as column, format('%I.%I', n.nspname, s.relname) as sequence
       from pg_catalog.pg_attribute as a
       left join pg_catalog.pg_attrdef as v on v.adrelid = a.attrelid and v.adnum = a.attnum
       join pg_catalog.pg_depend as d
         on (d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
             and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype in ('a', 'i'))
         or (d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = v.oid and d.refclassid = 'pg_catalog.pg_class'::regclass)
       join pg_catalog.pg_class as s
         on s.relkind = 'S' and s.oid = case when d.classid = 'pg_catalog.pg_class'::regclass then d.objid else d.refobjid end
       join pg_catalog.pg_namespace as n on n.oid = s.relnamespace
      where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped`,
    [table.sqlName],
  )
  for (const { column, sequence } of fed) {
    await connection.query(
      `select pg_catalog.setval($1::regclass, m.greatest)
         from (select max(t.${quoted(column)})::bigint as greatest from ${table.sqlName} as t
                where t.${quoted(table.tenantColumn)} = $2::${table.tenantType}) as m,
              ${sequence} as s
        where m.greatest > s.last_value or (m.greatest = s.last_value and not s.is_called)`,
      [sequence, key],
    )
  }
}
