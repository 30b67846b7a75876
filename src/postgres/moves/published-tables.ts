// The tenant's tables in one place, and the names under which they are published: those of the schema `app`, in every placement.

import pg from 'pg'
import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { MoveFailedError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { appSchema } from '../roles.ts'

export interface PublishedTable {
  /** Without a schema. */
  readonly name: string
  /** Where the rows are: schema and name, quoted. */
  readonly stored: string
  /** Where replication finds them: the same, or the root to which the table is attached. */
  readonly published: string
  readonly tenantColumn: string
  readonly keyType: 'uuid' | 'bigint' | 'text'
}

/** Tables behind the wall in the tenant's schema. The same in both places, or the pre-flight has refused. */
export async function publishedTables(control: ControlConnection, { schema }: Placement): Promise<readonly PublishedTable[]> {
  return await control.query<PublishedTable>(
    `select c.relname as name,
            format('%I.%I', n.nspname, c.relname) as stored,
            format('%I.%I', $2::text, c.relname) as published,
            p.tenant_column as "tenantColumn",
            partywall.tenant_key_type(c.oid, p.tenant_column::name) as "keyType"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = $1
      order by c.relname`,
    [schema, appSchema],
  )
}

/** The tenant's key, as the table knows it. */
export function keyLiteral({ id, keys }: PlacedTenant, { keyType }: Pick<PublishedTable, 'keyType'>): string {
  const key = keyType === 'uuid' ? id : keyType === 'bigint' ? keys.bigint : keys.text
  if (key === undefined || key === null) throw new MoveFailedError(`The tenant has no key of type ${keyType}.`)
  return `${pg.escapeLiteral(String(key))}::${keyType}`
}
