// The tables that hold rows of one tenant, as COPY sees them: parents before children, with explicit columns.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { TenantKeyType } from '../../core/tenant-key.ts'
import { ConfigurationError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { mayHoldRowsOf } from '../placements/tenant-tables.ts'
import { quoted } from '../table-shape.ts'

export interface CopyColumn {
  readonly name: string
  /** As PostgreSQL spells it, e.g. `character varying(40)`. */
  readonly type: string
  readonly isNullable: boolean
  /** PostgreSQL computes it from the other columns: it is never copied, and comes back by itself. */
  readonly isGenerated: boolean
}

export interface CopyTable {
  /** Without the schema: the same in every placement. */
  readonly name: string
  readonly schema: string
  /** `schema.table`, quoted, ready for SQL. */
  readonly sqlName: string
  /** In the order of the table, those that are generated among them. */
  readonly columns: readonly CopyColumn[]
  /** Those of them that are copied, in the order in which COPY has them. */
  readonly copied: readonly string[]
  /** The primary key, the tenant's column among it where it is part of it. Empty when there is none. */
  readonly key: readonly string[]
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** About how many rows the tenant has, by the statistics; for progress, never for decisions. */
  readonly rowsEstimated: number
  /** Tables that it refers to in a circle, so that no order of loading one after the other satisfies both. */
  readonly circle: readonly string[]
  /** Tables that come after it although it refers to them: these references can be checked at the end of a transaction. */
  readonly deferred: readonly string[]
}

interface TableRow extends Omit<CopyTable, 'sqlName' | 'copied' | 'circle' | 'deferred'> {
  readonly oid: string
}

interface Reference {
  readonly child: string
  readonly parent: string
  readonly isDeferrable: boolean
}

/**
 * The tables behind the wall in the tenant's schema (no partitions: their rows come with the whole), parents before children. Of
 * tables whose tenant column has a type for which the tenant has no key, none can hold a row of its own: they are left out.
 *
 * @throws {ConfigurationError} when there are tables behind the wall in other schemas: rows of the tenant would be missed without a word.
 */
export async function copyTables(
  connection: ControlConnection,
  tenant: Pick<PlacedTenant, 'keys' | 'placement'>,
): Promise<readonly CopyTable[]> {
  const found = await connection.query<TableRow>(
    `select c.oid::text as oid, c.relname::text as name, n.nspname::text as schema,
            p.tenant_column as "tenantColumn", format_type(t.atttypid, null) as "tenantType",
            (
              select jsonb_agg(jsonb_build_object(
                       'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                       'isNullable', not a.attnotnull, 'isGenerated', a.attgenerated <> '') order by a.attnum)
                from pg_catalog.pg_attribute as a
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            ) as columns,
            array(
              select k.attname::text
                from pg_catalog.pg_index as i
               cross join lateral unnest(i.indkey::int2[]) with ordinality as part (attnum, ord)
                join pg_catalog.pg_attribute as k on k.attrelid = c.oid and k.attnum = part.attnum
               where i.indrelid = c.oid and i.indisprimary
               order by part.ord
            ) as key,
            -- A partitioned table has its own count only after somebody analyzed it as a whole.
            case c.relkind
              when 'p' then (
                select coalesce(sum(r.reltuples) filter (where r.reltuples > 0), 0)
                  from pg_catalog.pg_partition_tree(c.oid) as part
                  join pg_catalog.pg_class as r on r.oid = part.relid
                 where part.isleaf
              )
              else greatest(c.reltuples, 0)
            end::float8 as "rowsEstimated"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join pg_catalog.pg_attribute as t on t.attrelid = c.oid and t.attname = p.tenant_column and not t.attisdropped
      where n.nspname = $1
      order by c.relname`,
    [tenant.placement.schema],
  )
  await refuseTablesElsewhere(connection, tenant)
  const tables = found.filter(mayHoldRowsOf(tenant.keys))
  const references = await connection.query<Reference>(
    `select k.conrelid::text as child, k.confrelid::text as parent, k.condeferrable as "isDeferrable"
       from pg_catalog.pg_constraint as k
      where k.contype = 'f' and k.conparentid = 0 and k.conrelid <> k.confrelid
        and k.conrelid = any ($1::oid[]) and k.confrelid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  )
  return parentsFirst(tables, references)
}

async function refuseTablesElsewhere(connection: ControlConnection, { placement }: Pick<PlacedTenant, 'placement'>): Promise<void> {
  if (placement.isolation === 'schema') return
  const elsewhere = await connection.query<{ name: string }>(
    `select p.table_name as name
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where n.nspname <> $1 and n.nspname !~ '^t_[0-9a-f]{24}$' and not c.relispartition
      order by p.table_name
      limit 5`,
    [placement.schema],
  )
  if (elsewhere.length === 0) return
  throw new ConfigurationError(
    `Rows of the tenant can also be in ${elsewhere.map(({ name }) => name).join(', ')}, outside the schema ${placement.schema}: they would be missed. ` +
      `Bring these tables there: alter table … set schema ${placement.schema}.`,
  )
}

/**
 * A reference that can be checked at the end of the transaction gives way where there is a circle. What is left of one after that is
 * told in `circle`, for whoever loads.
 */
function parentsFirst(tables: readonly TableRow[], references: readonly Reference[]): readonly CopyTable[] {
  const left = new Map(tables.map((table) => [table.oid, table]))
  const ordered: CopyTable[] = []
  while (left.size > 0) {
    const waitsFor = (oid: string, holds: (reference: Reference) => boolean): readonly Reference[] =>
      references.filter((reference) => reference.child === oid && left.has(reference.parent) && holds(reference))
    const candidates = [...left.values()]
    const next =
      candidates.find(({ oid }) => waitsFor(oid, () => true).length === 0) ??
      candidates.find(({ oid }) => waitsFor(oid, ({ isDeferrable }) => !isDeferrable).length === 0) ??
      candidates[0]!
    const parents = (isDeferrable: boolean): readonly string[] =>
      waitsFor(next.oid, (reference) => reference.isDeferrable === isDeferrable).map(({ parent }) => left.get(parent)!.name)
    ordered.push(copyTable(next, { circle: parents(false), deferred: parents(true) }))
    left.delete(next.oid)
  }
  return ordered
}

function copyTable({ oid: _, ...table }: TableRow, waiting: Pick<CopyTable, 'circle' | 'deferred'>): CopyTable {
  return {
    ...table,
    sqlName: `${quoted(table.schema)}.${quoted(table.name)}`,
    copied: table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name),
    ...waiting,
  }
}
