// Gives back what was reserved for a move that was never begun: nothing is made there yet.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'
import { inCatalog, type PlacementSite } from '../placements/placement-site.ts'

/** Gives the reservation of a move back, unless the move has begun. Repeating it is harmless. */
export async function unreserveTarget(
  site: PlacementSite,
  { id, region }: Pick<PlacedTenant, 'id' | 'region'>,
  moveId: string,
): Promise<void> {
  const servers = await inCatalog(site, (control) => control.transaction((catalog) => giveBack(catalog, moveId)))
  for (const server of servers) await site.provisioner?.release?.({ tenantId: id, region, server })
}

/** After so long, in minutes, nobody begins the move for which a place was reserved. */
const abandonedMinutes = 10

/** Gives back what was reserved by processes that died before they began their move. @returns what, for people. */
export async function reapReservations(site: PlacementSite): Promise<readonly string[]> {
  const rows = await inCatalog(site, (catalog) =>
    catalog.query<{ moveId: string; tenantId: TenantId; region: string | null; place: string }>(
      `select r.move_id as "moveId", r.tenant_id as "tenantId", t.region, r.place
         from (
           select d.move_id, d.tenant_id, d.updated_at as since, d.name as place from partywall.databases as d where d.move_id is not null
            union all
           select o.move_id, o.tenant_id, o.updated_at, format('%s %s', o.database_name, o.schema_name) from partywall.schemas as o where o.move_id is not null
            union all
           select p.move_id, p.tenant_id, p.created_at, p.database_name from partywall.pooled_reservations as p
         ) as r
         left join partywall.tenants as t on t.id = r.tenant_id
        where r.since < clock_timestamp() - $1 * interval '1 minute'
          and not exists (select from partywall.moves as m where m.id = r.move_id)`,
      [abandonedMinutes],
    ),
  )
  for (const { moveId, tenantId, region } of rows) await unreserveTarget(site, { id: tenantId, region: region ?? '' }, moveId)
  return rows.map(({ place }) => `reservation of ${place}`)
}

/** What came from the stock goes back there. @returns servers that hold nobody now. */
async function giveBack(catalog: ControlConnection, moveId: string): Promise<readonly string[]> {
  const isUnknown = 'not exists (select from partywall.moves as m where m.id = $1)'
  await catalog.query(`delete from partywall.pooled_reservations as p where p.move_id = $1 and ${isUnknown}`, [moveId])
  for (const places of ['schemas', 'databases']) {
    await catalog.query(
      `update partywall.${places} as p set tenant_id = null, move_id = null, state = 'stock'
        where p.move_id = $1 and p.state = 'provisioning' and p.version is not null and ${isUnknown}`,
      [moveId],
    )
  }
  await catalog.query(`delete from partywall.schemas as o where o.move_id = $1 and o.state = 'provisioning' and ${isUnknown}`, [moveId])
  const gone = await catalog.query<{ server: string }>(
    `delete from partywall.databases as d where d.move_id = $1 and d.state = 'provisioning' and ${isUnknown} returning d.server_name as server`,
    [moveId],
  )
  return gone.map(({ server }) => server)
}
