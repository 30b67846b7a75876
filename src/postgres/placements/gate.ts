// The gate of a tenant where its rows are, over the migrator's login of that database.

import type { GateState, PlacedTenant } from '../../core/placement-adapter.ts'
import { TenantMovingError, TenantNotFoundError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { type PlacementSite, told } from './placement-site.ts'

/** @throws {TenantNotFoundError} when there is no gate: opening one that was never made would let a tenant in that is not there. */
export async function moveGate(site: PlacementSite, { id, placement }: PlacedTenant, state: GateState): Promise<void> {
  await told(() =>
    site.connections.asMigrator(placement.database, (control) =>
      control.transaction(async (connection) => {
        const [gate] = await connection.query<{ state: GateState }>(
          'select g.state from partywall.gates as g where g.tenant_id = $1 for update',
          [id],
        )
        if (gate === undefined)
          throw new TenantNotFoundError(`Tenant ${id} has no gate in the database ${placement.database}. Provision it first.`)
        if (gate.state === state) return
        // Where the tenant has moved away from, nobody but a mover lets it in again: whoever comes late would open a second place.
        if (gate.state === 'moved')
          throw new TenantMovingError(`Tenant ${id} has moved away from the database ${placement.database}. Try again.`)
        await connection.query('select partywall.set_gate($1, $2)', [id, state])
      }),
    ),
  )
}

export async function readGate(control: ControlConnection, { id }: PlacedTenant): Promise<GateState | undefined> {
  const [row] = await control.query<{ state: GateState }>('select g.state from partywall.gates as g where g.tenant_id = $1', [id])
  return row?.state
}

/** Removes the gate, and with it every capability. @returns whether there was one. */
export async function removeGate(control: ControlConnection, { id }: PlacedTenant): Promise<boolean> {
  const gone = await control.query('delete from partywall.gates as g where g.tenant_id = $1 returning g.tenant_id', [id])
  return gone.length > 0
}
