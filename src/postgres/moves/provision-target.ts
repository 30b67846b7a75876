// Makes the place to which a tenant is to go: its tables at the version of those that it has, its gate shut, and none of its rows in it.

import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant, PlacementAdapter } from '../../core/placement-adapter.ts'
import { MoveRefusedError, MoveStateError } from '../../errors.ts'
import { inCatalog, type PlacementSite, told } from '../placements/placement-site.ts'

/** @see MovePlaces.provisionTarget */
export async function provisionTarget(
  site: PlacementSite,
  adapter: PlacementAdapter,
  tenant: PlacedTenant,
  options: { readonly target: Placement; readonly fence: number; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { target, fence, signal } = options
  const there: PlacedTenant = { ...tenant, placement: target }
  await assertNotServed(site, tenant, target)
  await assertNewest(site, tenant.placement, 'The tenant’s tables')
  if (target.isolation === 'server') await readyServer(site, there)
  await adapter.provision(there, signal)
  await site.onStep('target made')
  await assertNewest(site, target, 'The tables at the target')
  // Whoever asks there is sent to the catalog again; and what an earlier move of the tenant would still do there comes too late.
  await claimGate(site, there, fence)
  await site.onStep('target shut')
  // Of an attempt that was given up. Where all tables are the tenant's own, nobody is disturbed.
  await adapter.empty(there, { behindFence: fence, signal, pauseMs: target.isolation === 'pooled' ? undefined : 0 })
  await site.onStep('target empty')
}

/** @throws {MoveStateError} when the catalog says that the tenant is served in this very place. */
export async function assertNotServed(site: PlacementSite, { id }: Pick<PlacedTenant, 'id'>, place: Placement): Promise<void> {
  // Asked of the writer's login: what was committed a moment ago is seen.
  const served = await inCatalog(site, (catalog) =>
    catalog.query('select from partywall.tenants as t where t.id = $1 and t.database_name = $2 and t.schema_name = $3', [
      id,
      place.database,
      place.schema,
    ]),
  )
  if (served.length === 0) return
  throw new MoveStateError(`The tenant is served at ${place.database}.${place.schema}: nothing was removed there.`, {
    details: { tenantId: id, database: place.database, schema: place.schema },
  })
}

/** Rows go between tables of one shape alone, and what is made anew has the newest. */
async function assertNewest(site: PlacementSite, { database, schema }: Placement, whose: string): Promise<void> {
  const { version: newest } = site.migrations
  const found = await told(() => site.connections.asMigrator(database, (control) => site.migrations.versionOf(control, schema)))
  if (found === newest) return
  throw new MoveRefusedError(
    `${whose} (${database}.${schema}) are at the migration ${found ?? 'none'}, and the newest is ${newest ?? 'none'}. Run partywall migrate up with this release first.`,
    { details: { database, schema, version: found ?? null, newest: newest ?? null } },
  )
}

/** One that was only promised is made now. */
async function readyServer(site: PlacementSite, { id, region, placement }: PlacedTenant): Promise<void> {
  const [server] = await site.reader.query<{ isPromised: boolean }>(
    `select s.state = 'provisioning' and s.provisioned ->> 'tenantId' = $2 as "isPromised" from partywall.servers as s where s.name = $1`,
    [placement.server, id],
  )
  if (server?.isPromised === true) await site.provisioner?.acquire({ tenantId: id, region, labels: {} })
}

/** @throws {MoveStateError} when the gate is open, or belongs to a later move. */
async function claimGate(site: PlacementSite, { id, placement }: PlacedTenant, fence: number): Promise<void> {
  const [row] = await told(() =>
    site.connections.asMigrator(placement.database, (control) =>
      control.query<{ isOurs: boolean }>('select partywall.claim_gate($1, $2) as "isOurs"', [id, fence]),
    ),
  )
  if (row?.isOurs === true) return
  throw new MoveStateError(`The tenant's gate in ${placement.database} is open, or belongs to a later move. Nothing was removed there.`)
}
