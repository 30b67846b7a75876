// Taking what was made in advance: one row of the catalog gets its tenant. Two who take at once take different ones.

import type { ControlConnection } from '../control-pool.ts'
import type { Newcomer, PlaceWish } from './choosing.ts'
import { findOwnDatabase, type OwnDatabase } from './own-database.ts'
import { findSchema, type OwnSchema } from './own-schema.ts'

interface Taking extends PlaceWish {
  /** The move for which it is; without one it is the tenant's place from now on. */
  readonly moveId?: string | undefined
}

/** A schema of the stock in the tenant's region, if there is one; the oldest. */
export async function takeSchema(
  catalog: ControlConnection,
  { id, region }: Newcomer,
  { server, database, leaving, moveId }: Taking,
): Promise<OwnSchema | undefined> {
  const [taken] = await catalog.query<{ database: string; schema: string }>(
    `update partywall.schemas as o
        set tenant_id = $1, state = 'provisioning', move_id = $4
       from (
         select w.database_name, w.schema_name
           from partywall.schemas as w
           join partywall.databases as d on d.name = w.database_name
           join partywall.servers as s on s.name = d.server_name
          where w.state = 'stock' and d.state = 'ready' and s.state = 'active' and s.region = $2
            and ($3::text is null or s.name = $3::text)
            and ($5::text is null or d.name = $5::text)
            and d.name is distinct from $6
          order by w.created_at
          limit 1
            for update of w skip locked
       ) as next
      where o.database_name = next.database_name and o.schema_name = next.schema_name
     returning o.database_name as database, o.schema_name as schema`,
    [id, region, server, moveId, database, leaving?.database],
  )
  return taken && (await findSchema(catalog, taken.database, taken.schema))
}

/** A database of the stock, on a server that is shared or on one that is the tenant's alone. */
export async function takeDatabase(
  catalog: ControlConnection,
  { id, region }: Newcomer,
  { server, leaving, moveId, isServerOwn }: Taking & { readonly isServerOwn: boolean },
): Promise<OwnDatabase | undefined> {
  const [taken] = await catalog.query<{ name: string }>(
    `update partywall.databases as o
        set tenant_id = $1, state = 'provisioning', move_id = $5
       from (
         select w.name
           from partywall.databases as w
           join partywall.servers as s on s.name = w.server_name
          where w.holds = 'tenant' and w.state = 'stock' and s.state = 'active' and s.region = $2
            and ($3::text is null or s.name = $3::text)
            and (s.tenants_max is not distinct from 1) = $4
            and s.name is distinct from $6
          order by w.created_at
          limit 1
            for update of w skip locked
       ) as next
      where o.name = next.name
     returning o.name`,
    [id, region, server, isServerOwn, moveId, leaving?.server],
  )
  return taken && (await findOwnDatabase(catalog, taken.name))
}
