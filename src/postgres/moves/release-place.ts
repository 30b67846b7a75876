// Removes what a tenant has in a place where it is not served: not any more, after a move, or not yet, when a move is cancelled.

import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant, PlacementAdapter, PurgeCount } from '../../core/placement-adapter.ts'
import { MoveStateError } from '../../errors.ts'
import { readGate } from '../placements/gate.ts'
import { findSchema } from '../placements/own-schema.ts'
import { inCatalog, type PlacementSite, told } from '../placements/placement-site.ts'
import { detachFromRoot } from './partition-roots.ts'
import { assertNotServed } from './provision-target.ts'

/** The catalog's own database: every tenant has its gate there, wherever it lives. */
const catalogDatabase = 'main'

/** @see MovePlaces.releasePlace */
export async function releasePlace(
  site: PlacementSite,
  adapter: PlacementAdapter,
  tenant: PlacedTenant,
  options: { readonly place: Placement; readonly behindFence: number; readonly signal: AbortSignal | undefined },
): Promise<readonly PurgeCount[]> {
  const { place, behindFence, signal } = options
  const there: PlacedTenant = { ...tenant, placement: place }
  await assertNotServed(site, tenant, place)
  switch (place.isolation) {
    case 'pooled':
      return await releaseRows(site, adapter, there, { behindFence, signal })
    case 'schema':
      return await releaseSchema(site, adapter, there, { behindFence, signal })
    case 'database':
    case 'server':
      return await releaseDatabase(site, adapter, there, signal)
  }
}

interface Release {
  readonly behindFence: number
  readonly signal: AbortSignal | undefined
}

async function releaseRows(
  site: PlacementSite,
  adapter: PlacementAdapter,
  there: PlacedTenant,
  { behindFence, signal }: Release,
): Promise<readonly PurgeCount[]> {
  const { database } = there.placement
  await assertShut(site, there, behindFence)
  // In the catalog's database the gate stays, and says that the tenant is elsewhere.
  const gone =
    database === catalogDatabase ? await adapter.empty(there, { behindFence, signal }) : await adapter.drop(there, { behindFence, signal })
  await site.onStep('rows released')
  await inCatalog(site, (catalog) =>
    catalog.query('delete from partywall.pooled_reservations as p where p.tenant_id = $1 and p.database_name = $2', [there.id, database]),
  )
  return gone.filter(({ count }) => count > 0)
}

async function releaseSchema(
  site: PlacementSite,
  adapter: PlacementAdapter,
  there: PlacedTenant,
  { behindFence, signal }: Release,
): Promise<readonly PurgeCount[]> {
  const { database, schema } = there.placement
  const own = await inCatalog(site, (catalog) => findSchema(catalog, database, schema))
  // The row in the catalog goes last: without it nothing is left, and the name may be another's by now.
  if (own?.tenantId !== there.id) return []
  if (await isUntouchedStock(site, there)) {
    await inCatalog(site, (catalog) =>
      catalog.query(
        `update partywall.schemas set tenant_id = null, move_id = null, state = 'stock'
          where database_name = $1 and schema_name = $2 and tenant_id = $3 and move_id is not null and state = 'provisioning'`,
        [database, schema, there.id],
      ),
    )
    return []
  }
  await assertShut(site, there, behindFence)
  await told(() => site.connections.asMigrator(database, (control) => detachFromRoot(control, { tenant: there, schema, signal })))
  await giveUp(site, there, 'schemas', 'database_name = $1 and schema_name = $2', [database, schema])
  return await adapter.drop(there, { signal })
}

/** It was taken from the stock, and nothing in it says so yet. */
async function isUntouchedStock(site: PlacementSite, { placement }: PlacedTenant): Promise<boolean> {
  const { database, schema } = placement
  return await told(() =>
    site.connections.asMigrator(database, async (control) => {
      const rows = await control.query(
        `select from pg_catalog.pg_namespace as n
          where n.nspname = $1 and obj_description(n.oid, 'pg_namespace') = 'partywall: stock'
            and not exists (select from partywall.gates as g where g.schema_name = $1)`,
        [schema],
      )
      return rows.length > 0
    }),
  )
}

async function releaseDatabase(
  site: PlacementSite,
  adapter: PlacementAdapter,
  there: PlacedTenant,
  signal: AbortSignal | undefined,
): Promise<readonly PurgeCount[]> {
  const { id, region } = there
  const { server, database } = there.placement
  await giveUp(site, there, 'databases', 'name = $1', [database])
  const gone = await adapter.drop(there, { signal })
  if (there.placement.isolation !== 'server') return gone
  await site.onStep('database released')
  await site.provisioner?.release?.({ tenantId: id, region, server })
  return gone
}

/** From here on nobody arrives there: what is being dropped is no place to be switched to. */
async function giveUp(
  site: PlacementSite,
  { id, placement }: PlacedTenant,
  places: 'schemas' | 'databases',
  which: string,
  values: readonly string[],
): Promise<void> {
  const tenant = `$${values.length + 1}`
  const kept = await inCatalog(site, (control) =>
    control.transaction(async (catalog) => {
      await catalog.query(
        `update partywall.${places} set state = 'dropping' where ${which} and tenant_id = ${tenant} and move_id is not null`,
        [...values, id],
      )
      return await catalog.query(`select from partywall.${places} where ${which} and tenant_id = ${tenant} and move_id is null`, [
        ...values,
        id,
      ])
    }),
  )
  if (kept.length > 0) {
    throw new MoveStateError(
      `${placement.database}.${placement.schema} is the tenant's place, and not a move's: nothing was removed there.`,
    )
  }
}

/** The gate itself says that nobody is served there, nor on the way there. The catalog is asked before: this is the second look. */
async function assertShut(site: PlacementSite, there: PlacedTenant, behindFence: number): Promise<void> {
  const { database } = there.placement
  const isGone = await told(() =>
    site.connections.asMigrator(database, async (control) => {
      if ((await readGate(control, there)) === undefined) return true
      const [row] = await control.query<{ isShut: boolean }>('select partywall.claim_gate($1, $2) as "isShut"', [there.id, behindFence])
      return row?.isShut === true
    }),
  )
  if (isGone) return
  throw new MoveStateError(`The tenant's gate in ${database} is open, or a later move has come here. Nothing was removed.`)
}
