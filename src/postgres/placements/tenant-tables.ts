// The tables that hold tenants' rows in one place, and the order in which they can be emptied.

import type { TenantKeys } from '../../core/tenant.ts'
import type { TenantKeyType } from '../../core/tenant-key.ts'
import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'

/** The tables of a schema of a tenant's own; or, without a schema, those of the database that are in no such schema. */
export interface TableScope {
  readonly schema?: string | undefined
}

export interface TenantTable {
  readonly oid: string
  /** `schema.table`, quoted where it must be. */
  readonly name: string
  readonly isPartitioned: boolean
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** Columns of the primary key. */
  readonly key: readonly string[]
  /** Their types, as SQL. */
  readonly keyTypes: readonly string[]
  /** References to this table from those that are not emptied before it: rows that are still referred to must wait. */
  readonly waitsFor: readonly Reference[]
}

interface Reference {
  readonly from: string
  readonly columns: readonly string[]
  readonly to: string
  readonly referenced: readonly string[]
}

interface ReferenceRow extends Reference {
  readonly child: string
  readonly parent: string
}

/** The tables, those that refer to others first. */
export async function tenantTables(control: ControlConnection, { schema }: TableScope): Promise<readonly TenantTable[]> {
  const tables = await control.query<Omit<TenantTable, 'waitsFor'>>(
    `select c.oid::text as oid, p.table_name as name, c.relkind = 'p' as "isPartitioned", p.tenant_column as "tenantColumn",
            format_type(a.atttypid, null) as "tenantType",
            array(
              select k.attname::text
                from pg_catalog.pg_index as i
               cross join lateral unnest(i.indkey::int2[]) with ordinality as part (attnum, ord)
                join pg_catalog.pg_attribute as k on k.attrelid = c.oid and k.attnum = part.attnum
               where i.indrelid = c.oid and i.indisprimary
               order by part.ord
            ) as key,
            array(
              select format_type(k.atttypid, k.atttypmod)
                from pg_catalog.pg_index as i
               cross join lateral unnest(i.indkey::int2[]) with ordinality as part (attnum, ord)
                join pg_catalog.pg_attribute as k on k.attrelid = c.oid and k.attnum = part.attnum
               where i.indrelid = c.oid and i.indisprimary
               order by part.ord
            ) as "keyTypes"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = p.tenant_column and not a.attisdropped
      where case when $1::text is null then p.table_name !~ '^t_[0-9a-f]{24}[.]'
                 -- One range of the primary key, however many schemas there are.
                 else p.table_name >= $1 || '.' and p.table_name < $1 || '/' end
      order by p.table_name`,
    [schema],
  )
  const references = await control.query<ReferenceRow>(
    `select k.conrelid::text as child, k.confrelid::text as parent,
            partywall.table_name(k.conrelid) as from, partywall.table_name(k.confrelid) as to,
            array(select a.attname::text from unnest(k.conkey) with ordinality as part (attnum, ord)
                    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.attnum order by part.ord) as columns,
            array(select a.attname::text from unnest(k.confkey) with ordinality as part (attnum, ord)
                    join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = part.attnum order by part.ord) as referenced
       from pg_catalog.pg_constraint as k
      where k.contype = 'f' and k.conparentid = 0 and k.confdeltype in ('a', 'r')
        and k.conrelid = any ($1::oid[]) and k.confrelid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  )
  return inOrder(tables, references)
}

/** Of tables whose tenant column has a type for which the tenant has no key, none holds a row of its own. */
export function mayHoldRowsOf(keys: TenantKeys): (table: Pick<TenantTable, 'tenantType'>) => boolean {
  return ({ tenantType }) => tenantType === 'uuid' || keys[tenantType] !== undefined
}

/** Children before parents. In a circle one has to be first: its rows wait until none refers to them. */
function inOrder(tables: readonly Omit<TenantTable, 'waitsFor'>[], references: readonly ReferenceRow[]): readonly TenantTable[] {
  const left = new Map(tables.map((table) => [table.oid, table]))
  const ordered: TenantTable[] = []
  while (left.size > 0) {
    const holding = (oid: string): readonly ReferenceRow[] => references.filter(({ parent, child }) => parent === oid && left.has(child))
    const free = [...left.values()].filter(({ oid }) => holding(oid).every(({ child }) => child === oid))
    const next = free.length > 0 ? free : [...left.values()].slice(0, 1)
    for (const table of next) {
      ordered.push({ ...table, waitsFor: holding(table.oid) })
      left.delete(table.oid)
    }
  }
  return ordered
}

/** SQL that is true of rows which nothing refers to any more. `t` is the table. */
export function isUnreferenced(table: TenantTable): string {
  return table.waitsFor
    .map(({ from, columns, referenced }) => {
      const pairs = columns.map((column, i) => `c.${quoted(column)} = t.${quoted(referenced[i]!)}`)
      return ` and not exists (select from ${from} as c where ${pairs.join(' and ')})`
    })
    .join('')
}
