// The tables of a tenant's schema that are behind the wall, as export and import see them: read from PostgreSQL's own catalog.

import type { TenantKeyType } from '../../core/tenant-key.ts'
import type { ColumnKind, PortableColumn, PortableReference, PortableTable } from '../../portability/portable-table.ts'
import type { ControlConnection } from '../control-pool.ts'

/** A table, and how SQL reads and writes it. */
export interface PlacedTable extends PortableTable {
  /** Quoted, with its schema. */
  readonly sqlName: string
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** The type that a text is cast to, for each column: without its length, since an explicit cast would cut what is too long. */
  readonly casts: ReadonlyMap<string, string>
  /** Columns that PostgreSQL computes: nobody writes them, and they are not exported. */
  readonly generated: readonly string[]
}

interface ColumnRow {
  readonly table: string
  readonly sqlName: string
  readonly tenantColumn: string
  readonly name: string
  readonly type: string
  readonly cast: string
  readonly base: string
  readonly baseModifier: number
  readonly category: string
  readonly element: string | null
  readonly elementCategory: string | null
  readonly isNullable: boolean
  readonly hasDefault: boolean
  readonly isGenerated: boolean
  readonly keyPosition: number | null
  readonly choices: readonly string[] | null
}

// Domains are followed down to what they are made of.
const columnsQuery = `
  select c.relname as table, format('%I.%I', n.nspname, c.relname) as "sqlName", p.tenant_column as "tenantColumn",
         a.attname as name, format_type(a.atttypid, a.atttypmod) as type, format_type(b.oid, -1) as cast,
         b.typname as base, base.modifier as "baseModifier", b.typcategory as category, e.typname as element, e.typcategory as "elementCategory",
         not (a.attnotnull or d.typnotnull) as "isNullable",
         a.atthasdef or d.typdefault is not null as "hasDefault",
         a.attgenerated <> '' as "isGenerated",
         array_position(i.indkey::int2[], a.attnum) as "keyPosition",
         (select array_agg(l.enumlabel::text order by l.enumsortorder) from pg_catalog.pg_enum as l where l.enumtypid = b.oid) as choices
    from partywall.protected_tables as p
    join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type as d on d.oid = a.atttypid
   cross join lateral (
           with recursive base (oid, modifier, depth) as (
             select a.atttypid, a.atttypmod, 0
              union all
             select t.typbasetype, t.typtypmod, base.depth + 1
               from base
               join pg_catalog.pg_type as t on t.oid = base.oid and t.typtype = 'd'
           )
           select base.oid, base.modifier from base order by base.depth desc limit 1
         ) as base
    join pg_catalog.pg_type as b on b.oid = base.oid
    left join pg_catalog.pg_type as e on e.oid = b.typelem and b.typcategory = 'A'
    left join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
   where n.nspname = $1
     and not c.relispartition
   order by c.relname, a.attnum`

const referencesQuery = `
  select c.relname as from, f.relname as to,
         array(select a.attname::text from unnest(k.conkey) with ordinality as part (attnum, ord)
                 join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.attnum order by part.ord) as columns,
         array(select a.attname::text from unnest(k.confkey) with ordinality as part (attnum, ord)
                 join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = part.attnum order by part.ord) as referenced
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_class as c on c.oid = k.conrelid
    join pg_catalog.pg_class as f on f.oid = k.confrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where k.contype = 'f' and k.conparentid = 0 and n.nspname = $1
   order by k.oid`

interface ReferenceRow extends PortableReference {
  readonly from: string
}

/** Names of types are as the session's search_path shows them: it must be the schema's. */
export async function placedTables(connection: ControlConnection, schema: string): Promise<readonly PlacedTable[]> {
  const rows = await connection.query<ColumnRow>(columnsQuery, [schema])
  const references = await connection.query<ReferenceRow>(referencesQuery, [schema])
  return [...Map.groupBy(rows, ({ table }) => table)].map(([name, columns]) =>
    placedTable(
      name,
      columns,
      references.filter(({ from }) => from === name),
    ),
  )
}

function placedTable(name: string, rows: readonly ColumnRow[], references: readonly ReferenceRow[]): PlacedTable {
  const [{ sqlName, tenantColumn }] = rows as [ColumnRow]
  const own = rows.filter((row) => row.name !== tenantColumn)
  const written = own.filter(({ isGenerated }) => !isGenerated)
  const tenantType = rows.find((row) => row.name === tenantColumn)!.base
  return {
    name,
    sqlName,
    tenantColumn,
    tenantType: tenantType === 'int8' ? 'bigint' : tenantType === 'text' ? 'text' : 'uuid',
    columns: written.map(portableColumn),
    key: own
      .filter(({ keyPosition }) => keyPosition !== null)
      .sort((a, b) => a.keyPosition! - b.keyPosition!)
      .map((row) => row.name),
    references: references.map(({ to, columns, referenced }) => withoutTenant({ to, columns, referenced }, tenantColumn)),
    casts: new Map(written.map((row) => [row.name, row.cast])),
    generated: own.filter(({ isGenerated }) => isGenerated).map((row) => row.name),
  }
}

/** The pair of columns that both say whose the row is goes. */
function withoutTenant({ to, columns, referenced }: PortableReference, tenantColumn: string): PortableReference {
  const kept = columns.map((column, i) => [column, referenced[i]!] as const).filter(([column]) => column !== tenantColumn)
  return { to, columns: kept.map(([column]) => column), referenced: kept.map(([, other]) => other) }
}

function portableColumn(row: ColumnRow): PortableColumn {
  const { name, type, isNullable, hasDefault, base, baseModifier, choices } = row
  const kind = kindOf(row)
  const isBounded = baseModifier >= 4
  // https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c, numeric_typmod_scale: 11 bits with a sign.
  const scale = (((baseModifier - 4) & 0x7ff) ^ 1024) - 1024
  return {
    name,
    type,
    kind,
    isNullable,
    hasDefault,
    ...(isBounded && (base === 'varchar' || base === 'bpchar') && { lengthMax: baseModifier - 4 }),
    ...(isBounded && kind === 'numeric' && { precision: (baseModifier - 4) >> 16, scale }),
    ...(choices !== null && { choices }),
  }
}

const kinds: Readonly<Record<string, ColumnKind>> = {
  uuid: 'uuid',
  bool: 'boolean',
  int2: 'integer',
  int4: 'integer',
  int8: 'bigint',
  numeric: 'numeric',
  float4: 'float',
  float8: 'float',
  date: 'date',
  time: 'time',
  timetz: 'time',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  interval: 'interval',
  bytea: 'bytes',
  // A json column (not jsonb) keeps its spaces and keys that are there twice: it is text that PostgreSQL has checked.
  json: 'other',
  jsonb: 'json',
}

function kindOf({ base, category, element, elementCategory }: ColumnRow): ColumnKind {
  const known = kinds[base]
  if (known !== undefined) return known
  // https://www.postgresql.org/docs/current/catalog-pg-type.html: S strings, E enums, A arrays, C composites.
  if (category === 'S' || category === 'E') return 'text'
  // A list of JSON cannot tell an element from a list of elements, and a composite would come back as an object.
  const isPlain = element !== 'json' && element !== 'jsonb' && elementCategory !== 'C' && element !== 'bytea'
  return category === 'A' && base.startsWith('_') && isPlain ? 'array' : 'other'
}
