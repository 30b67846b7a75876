// Where a tenant that lives somewhere already is to go: chosen and reserved in the catalog under the move's id, beside the place that
// it has. Nothing is made yet.

import type { Isolation, Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { CapacityError, MoveRefusedError, RegionMismatchError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { assertServerIsFree, chooseServer, chooseSharedDatabase, type PlaceWish } from '../placements/choosing.ts'
import { drawDatabaseName, findDatabaseOfMove, moveSecretName, type OwnDatabase, reserveDatabase } from '../placements/own-database.ts'
import { drawSchemaName, findSchemaOfMove, type OwnSchema, reserveSchema } from '../placements/own-schema.ts'
import { alone, inCatalog, type PlacementSite } from '../placements/placement-site.ts'
import { provisionerOf } from '../placements/server.ts'
import { takeDatabase, takeSchema } from '../placements/stock-taking.ts'
import { appSchema } from '../roles.ts'

/** Where a tenant is to go. */
export interface TargetRequest {
  /** Asked again for the same move, the answer is the same. */
  readonly moveId: string
  readonly isolation: Isolation
  /** This server and no other. */
  readonly server?: string | undefined
  /** This database of shared tables, or of schemas, and no other; by its name in the catalog. */
  readonly database?: string | undefined
}

/**
 * Chooses a place for a tenant that has one, and reserves it for the move.
 *
 * @throws {MoveRefusedError} when it is the place where the tenant is, or one that cannot be. {@link RegionMismatchError} when it is in
 * another region. {@link CapacityError} when there is no room.
 */
export async function reserveTarget(site: PlacementSite, tenant: PlacedTenant, request: TargetRequest): Promise<Placement> {
  const before = await inCatalog(site, (catalog) => findReserved(catalog, request.moveId))
  if (before !== undefined) return before
  await inCatalog(site, (catalog) => assertElsewhere(catalog, tenant, request))
  if (request.isolation !== 'server') return await choose(site, tenant, request, undefined)
  const waiting = await choosing(site, tenant, (catalog) => fromStock(catalog, tenant, request))
  if (waiting !== undefined) return waiting
  const server = request.server ?? (await ownServer(site, tenant))
  try {
    return await choose(site, tenant, request, server)
  } catch (error) {
    await site.provisioner?.release?.({ tenantId: tenant.id, region: tenant.region, server })
    throw error
  }
}

async function choose(
  site: PlacementSite,
  tenant: PlacedTenant,
  request: TargetRequest,
  ownServerName: string | undefined,
): Promise<Placement> {
  return await choosing(site, tenant, async (catalog) => {
    const found = (await findReserved(catalog, request.moveId)) ?? (await fromStock(catalog, tenant, request))
    if (found !== undefined) return found
    const { isolation, moveId } = request
    const wish = wishOf(tenant, request)
    switch (isolation) {
      case 'pooled': {
        const place = await chooseSharedDatabase(catalog, 'pooled', tenant, wish)
        await catalog.query('insert into partywall.pooled_reservations (move_id, database_name, tenant_id) values ($1, $2, $3)', [
          moveId,
          place.database,
          tenant.id,
        ])
        return { isolation, ...place, schema: appSchema }
      }
      case 'schema': {
        const place = { ...(await chooseSharedDatabase(catalog, 'schema', tenant, wish)), schema: drawSchemaName() }
        await reserveSchema(catalog, { ...place, tenantId: tenant.id, moveId })
        return { isolation, ...place }
      }
      case 'database':
      case 'server': {
        const server = ownServerName ?? (await chooseServer(catalog, tenant, wish))
        if (ownServerName !== undefined) await assertServerIsFree(catalog, tenant, ownServerName)
        const name = drawDatabaseName()
        await reserveDatabase(catalog, { name, server, tenantId: tenant.id, secretName: moveSecretName(tenant.id, name), moveId })
        return { isolation, server, database: name, schema: appSchema }
      }
    }
  })
}

async function choosing<T>(site: PlacementSite, { region }: PlacedTenant, fn: (catalog: ControlConnection) => Promise<T>): Promise<T> {
  return await alone(site, `places ${region}`, fn)
}

/** What was made in advance. */
async function fromStock(catalog: ControlConnection, tenant: PlacedTenant, request: TargetRequest): Promise<Placement | undefined> {
  const { isolation, moveId } = request
  const wish = { ...wishOf(tenant, request), moveId }
  switch (isolation) {
    case 'pooled':
      return undefined
    case 'schema':
      return ofSchema(await takeSchema(catalog, tenant, wish))
    case 'database':
    case 'server':
      return ofDatabase(await takeDatabase(catalog, tenant, { ...wish, isServerOwn: isolation === 'server' }), isolation)
  }
}

/** Of its own kind another place, of another kind any. */
function wishOf({ placement }: PlacedTenant, { isolation, server, database }: TargetRequest): PlaceWish {
  return { server, database, leaving: placement.isolation === isolation ? placement : undefined }
}

async function ownServer(site: PlacementSite, { id, region, placement }: PlacedTenant): Promise<string> {
  if (placement.isolation === 'server') {
    throw new MoveRefusedError('The tenant has a server of its own. Name the server to which it is to go: one that waits for a tenant.')
  }
  const provisioner = provisionerOf(site)
  return (await provisioner.reserve?.({ tenantId: id, region })) ?? (await provisioner.acquire({ tenantId: id, region, labels: {} }))
}

/** What was reserved for a move, or the target that it has. */
async function findReserved(catalog: ControlConnection, moveId: string): Promise<Placement | undefined> {
  const [begun] = await catalog.query<{ target: Placement }>('select m.target from partywall.moves as m where m.id = $1', [moveId])
  if (begun !== undefined) return begun.target
  const [pooled] = await catalog.query<Placement>(
    `select 'pooled' as isolation, d.server_name as server, d.name as database, $2 as schema
       from partywall.pooled_reservations as p
       join partywall.databases as d on d.name = p.database_name
      where p.move_id = $1`,
    [moveId, appSchema],
  )
  if (pooled !== undefined) return pooled
  const schema = ofSchema(await findSchemaOfMove(catalog, moveId))
  if (schema !== undefined) return schema
  const own = await findDatabaseOfMove(catalog, moveId)
  if (own === undefined) return undefined
  const [server] = await catalog.query<{ isOwn: boolean }>(
    'select s.tenants_max is not distinct from 1 as "isOwn" from partywall.servers as s where s.name = $1',
    [own.server],
  )
  return ofDatabase(own, server?.isOwn === true ? 'server' : 'database')
}

function ofSchema(own: OwnSchema | undefined): Placement | undefined {
  return own && { isolation: 'schema', server: own.server, database: own.database, schema: own.schema }
}

function ofDatabase(own: OwnDatabase | undefined, isolation: 'database' | 'server'): Placement | undefined {
  return own && { isolation, server: own.server, database: own.name, schema: appSchema }
}

/** Is it another place, of the kind that was asked for, in the tenant's region? Of one that was named; others are chosen so. */
async function assertElsewhere(catalog: ControlConnection, tenant: PlacedTenant, request: TargetRequest): Promise<void> {
  const { id, region, placement } = tenant
  const { isolation, server, database } = request
  const [now] = await catalog.query<{ isHere: boolean }>(
    `select t.database_name = $2 and t.schema_name = $3 as "isHere" from partywall.tenants as t where t.id = $1`,
    [id, placement.database, placement.schema],
  )
  if (now?.isHere !== true) throw new MoveRefusedError('The tenant is not where it was any more. Ask again.')
  const isShared = isolation === 'pooled' || isolation === 'schema'
  const isHere = placement.isolation === isolation && (isShared ? database === placement.database : server === placement.server)
  if (isHere) {
    throw new MoveRefusedError(
      `The tenant is there already: ${isolation} ${isShared ? `in the database ${placement.database}` : `on the server ${placement.server}`}.`,
    )
  }
  if (database === undefined) return
  if (!isShared) {
    throw new MoveRefusedError(`A database of the tenant's own is made for the move: name a server, and not the database ${database}.`)
  }
  const [found] = await catalog.query<{ holds: string; server: string; region: string }>(
    `select d.holds, d.server_name as server, s.region
       from partywall.databases as d
       join partywall.servers as s on s.name = d.server_name
      where d.name = $1`,
    [database],
  )
  if (found?.holds !== isolation) {
    throw new MoveRefusedError(`There is no database ${database} for tenants of isolation ${isolation}: see partywall database list.`)
  }
  if (found.region !== region) {
    throw new RegionMismatchError(`The tenant's region is ${region}, and the database ${database} is in ${found.region}.`)
  }
  if (server !== undefined && server !== found.server) {
    throw new CapacityError(`The database ${database} is on the server ${found.server}, and not on ${server}.`)
  }
}
