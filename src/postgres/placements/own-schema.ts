// Schemas of tenants' own, in a database that holds many of them: made, taken from the stock, and dropped piece by piece.

import { randomBytes } from 'node:crypto'
import type { TenantId } from '../../core/tenant.ts'
import { AbortedError, ConfigurationError, PlacementConflictError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import { type PlacementSite, told } from './placement-site.ts'
import { tenantTables } from './tenant-tables.ts'

/** A row of partywall.schemas. */
export interface OwnSchema {
  readonly database: string
  readonly server: string
  readonly schema: string
  readonly tenantId: TenantId | null
  readonly version: string | null
  readonly state: 'provisioning' | 'stock' | 'ready' | 'dropping'
  /** The move for which it is kept: the tenant is served elsewhere. Null for the tenant's present place. */
  readonly moveId: string | null
}

const selectSchema = `
  select o.database_name as database, d.server_name as server, o.schema_name as schema, o.tenant_id as "tenantId", o.version, o.state,
         o.move_id as "moveId"
    from partywall.schemas as o
    join partywall.databases as d on d.name = o.database_name`

/** Tables that are dropped in one transaction, at most: each takes locks for itself, its indexes and its TOAST table. */
const dropTablesMax = 16

/** The tenant's present place, and never the other one of a move. */
export async function findSchemaOf(catalog: ControlConnection, tenantId: TenantId): Promise<OwnSchema | undefined> {
  const [row] = await catalog.query<OwnSchema>(`${selectSchema} where o.tenant_id = $1 and o.move_id is null`, [tenantId])
  return row
}

/** What a move has reserved, or has left. */
export async function findSchemaOfMove(catalog: ControlConnection, moveId: string): Promise<OwnSchema | undefined> {
  const [row] = await catalog.query<OwnSchema>(`${selectSchema} where o.move_id = $1`, [moveId])
  return row
}

/** A name that says nothing of anybody. */
export function drawSchemaName(): string {
  return `t_${randomBytes(12).toString('hex')}`
}

export async function findSchema(catalog: ControlConnection, database: string, schema: string): Promise<OwnSchema | undefined> {
  const [row] = await catalog.query<OwnSchema>(`${selectSchema} where o.database_name = $1 and o.schema_name = $2`, [database, schema])
  return row
}

/** @throws {PlacementConflictError} when the name is another tenant's in that database. */
export async function reserveSchema(
  catalog: ControlConnection,
  place: {
    readonly database: string
    readonly schema: string
    readonly tenantId: TenantId | undefined
    readonly moveId?: string | undefined
  },
): Promise<void> {
  const { database, schema, tenantId, moveId } = place
  await catalog.query(
    `insert into partywall.schemas (database_name, schema_name, tenant_id, move_id)
     values ($1, $2, $3, $4)
         on conflict on constraint schemas_pkey do nothing`,
    [database, schema, tenantId, moveId],
  )
  const found = await findSchema(catalog, database, schema)
  if (found?.tenantId === (tenantId ?? null) && found.moveId === (moveId ?? null)) return
  throw new PlacementConflictError(`The schema ${schema} in the database ${database} is another tenant's in the catalog.`)
}

/** Makes the schema's tables. `make` makes the schema itself, and commits, so that a distributed database can follow. */
export async function fillSchema(
  site: PlacementSite,
  own: OwnSchema,
  make: (control: ControlConnection) => Promise<unknown>,
): Promise<void> {
  await told(() =>
    site.connections.asMigrator(own.database, async (control) => {
      await control.transaction(make)
      await site.onStep('schema')
      // One that was made in advance has its tables, perhaps of an older version.
      if (own.version === null || own.version !== site.migrations.version) await site.migrations.applyAll(control, own.schema)
    }),
  )
  await site.onStep('migrations')
}

/**
 * Drops the schema in batches of tables, so that no transaction needs more locks than the server has.
 *
 * @returns how many tables went, and whether the schema was there.
 * @throws {PlacementConflictError} when it is not recorded as the tenant's.
 */
export async function dropSchema(
  site: PlacementSite,
  own: Pick<OwnSchema, 'database' | 'schema'>,
  tenantId: TenantId,
  signal: AbortSignal | undefined,
): Promise<{ readonly tables: number; readonly isDropped: boolean; readonly hadGate: boolean }> {
  const { database, schema } = own
  return await told(() =>
    site.connections.asMigrator(database, async (control) => {
      const [found] = await control.query<{ isThere: boolean; isTheirs: boolean }>(
        `select to_regnamespace($1) is not null as "isThere",
                exists (select from partywall.gates as g where g.tenant_id = $2 and g.schema_name = $1) as "isTheirs"`,
        [schema, tenantId],
      )
      if (found?.isThere !== true) return { tables: 0, isDropped: false, hadGate: await forget(control, site, own, tenantId) }
      if (!found.isTheirs)
        throw new PlacementConflictError(`The schema ${schema} in ${database} is not recorded as this tenant's. It was left as it is.`)
      let tables = 0
      for (;;) {
        if (signal?.aborted) throw new AbortedError('Dropping the schema was cancelled. Call it again to go on.')
        const batch = await nextTables(control, schema)
        if (batch.length === 0) break
        await control.query(`drop table if exists ${batch.join(', ')} cascade`)
        tables += batch.length
        await site.onStep('tables dropped')
      }
      return await control.transaction(async (connection) => {
        await connection.query(`drop schema ${quoted(schema)} cascade`)
        return { tables, isDropped: true, hadGate: await forget(connection, site, own, tenantId) }
      })
    }),
  )
}

export interface SchemaRemains {
  readonly schema: number
  readonly tables: number
  readonly records: number
  readonly gate: number
}

/** What is left of the schema in its database. */
export async function schemaRemains(control: ControlConnection, schema: string, tenantId: TenantId): Promise<SchemaRemains> {
  const [row] = await control.query<SchemaRemains>(
    `select (select count(*)::int from pg_catalog.pg_namespace as n where n.nspname = $1) as schema,
            (select count(*)::int from pg_catalog.pg_class as c where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p')) as tables,
            (select count(*)::int from partywall.protected_tables as p where p.table_name >= $1 || '.' and p.table_name < $1 || '/') as records,
            (select count(*)::int from partywall.gates as g where g.tenant_id = $2) as gate`,
    [schema, tenantId],
  )
  return row ?? { schema: 0, tables: 0, records: 0, gate: 0 }
}

/** Children first, then what is behind no wall. Partitions go with their root. */
async function nextTables(control: ControlConnection, schema: string): Promise<readonly string[]> {
  const behindWall = (await tenantTables(control, { schema })).map(({ name }) => name)
  if (behindWall.length > 0) return behindWall.slice(0, dropTablesMax)
  const rows = await control.query<{ name: string }>(
    `select partywall.table_name(c.oid) as name
       from pg_catalog.pg_class as c
      where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and not c.relispartition
      order by c.relname
      limit ${dropTablesMax}`,
    [schema],
  )
  return rows.map(({ name }) => name)
}

/** The records go with the schema, in its transaction: of a later one of the name they would say what is not so. */
async function forget(
  connection: ControlConnection,
  site: PlacementSite,
  { schema }: Pick<OwnSchema, 'schema'>,
  tenantId: TenantId,
): Promise<boolean> {
  for (const records of ['protected_tables', 'global_tables']) {
    await connection.query(`delete from partywall.${records} as r where r.table_name >= $1 || '.' and r.table_name < $1 || '/'`, [schema])
  }
  await site.migrations.forget(connection, schema)
  const gone = await connection.query(
    'delete from partywall.gates as g where g.tenant_id = $1 and g.schema_name = $2 returning g.tenant_id',
    [tenantId, schema],
  )
  return gone.length > 0
}

/** @throws {ConfigurationError} when the catalog has no such schema for the tenant. */
export function reserved(own: OwnSchema | undefined, tenantId: TenantId): OwnSchema {
  if (own !== undefined && own.tenantId === tenantId) return own
  throw new ConfigurationError(`The catalog has no schema for tenant ${tenantId} there. Place the tenant first.`)
}
