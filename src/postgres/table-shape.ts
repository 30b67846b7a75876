// What a table looks like to the app's login: its columns and its key. Read once from the database's own catalog.

import pg from 'pg'
import type { FilterColumn } from '../core/filter.ts'
import type { TenantKeyType } from '../core/tenant-key.ts'
import { ConfigurationError } from '../errors.ts'
import type { QueryResult } from './result.ts'

export interface TableColumn extends FilterColumn {
  /** As PostgreSQL spells it, e.g. `timestamp with time zone`. */
  readonly type: string
  readonly isNullable: boolean
  readonly isGenerated: boolean
}

export interface TableShape {
  /** Quoted, ready for SQL. */
  readonly sqlName: string
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** Without the tenant's. */
  readonly columns: ReadonlyMap<string, TableColumn>
  /** The primary key without the tenant's column. */
  readonly key: readonly string[]
}

/** The one way in which our SQL names something. */
export const quoted = pg.escapeIdentifier

const columnsQuery = `
  select a.attname as name,
         pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
         t.typcategory as category,
         not a.attnotnull as "isNullable",
         a.attgenerated <> '' or a.attidentity = 'a' as "isGenerated",
         coalesce(array_position(i.indkey::int2[], a.attnum), -1) as "keyPosition"
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_index as i on i.indrelid = a.attrelid and i.indisprimary
   where a.attrelid = pg_catalog.to_regclass($1)
     and a.attnum > 0
     and not a.attisdropped
     and pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'select')
   order by a.attnum`

interface ColumnRow {
  readonly name: string
  readonly type: string
  readonly category: string
  readonly isNullable: boolean
  readonly isGenerated: boolean
  readonly keyPosition: number
}

/** Runs a query of ours as the app's login. */
export type RunQuery = (text: string, values: readonly unknown[]) => Promise<QueryResult<unknown>>

/**
 * Reads the shape of a table, given as `table` or `schema.table`.
 *
 * @throws {ConfigurationError} when there is no such table for the app's login, or it has no such tenant column.
 */
export async function readTableShape(run: RunQuery, table: string, tenantColumn: string): Promise<TableShape> {
  const parts = table.split('.')
  if (parts.length > 2 || parts.some((part) => part === '' || part.includes('\0'))) {
    throw new ConfigurationError(`${JSON.stringify(table)} is not the name of a table: give table, or schema.table.`)
  }
  const sqlName = parts.map(quoted).join('.')
  const { rows } = await run(columnsQuery, [sqlName])
  const found = rows as ColumnRow[]
  if (found.length === 0) throw new ConfigurationError(`There is no table ${sqlName} that the app's login may read.`)
  const tenant = found.find(({ name }) => name === tenantColumn)
  if (tenant === undefined) {
    throw new ConfigurationError(`${sqlName} has no column ${tenantColumn}: a repository is for tables of tenants.`)
  }
  if (tenant.type !== 'uuid' && tenant.type !== 'bigint' && tenant.type !== 'text') {
    throw new ConfigurationError(`${sqlName}.${tenantColumn} is ${tenant.type}: a tenant is uuid, bigint or text.`)
  }
  const own = found.filter(({ name }) => name !== tenantColumn && name !== '__proto__')
  return {
    sqlName,
    tenantColumn,
    tenantType: tenant.type,
    columns: new Map(
      own.map(({ category, keyPosition: _, ...column }) => [column.name, { ...column, kind: kindOf(column.type, category) }]),
    ),
    key: own
      .filter(({ keyPosition }) => keyPosition >= 0)
      .sort((a, b) => a.keyPosition - b.keyPosition)
      .map(({ name }) => name),
  }
}

/** https://www.postgresql.org/docs/current/catalog-pg-type.html, typcategory: S strings, A arrays. */
function kindOf(type: string, category: string): FilterColumn['kind'] {
  if (type === 'json' || type === 'jsonb') return 'json'
  if (category === 'A') return 'array'
  return category === 'S' ? 'text' : 'other'
}
