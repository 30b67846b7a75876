// The places of a move, over the adapters of placements.

import type { Isolation, Placement } from '../../core/placement.ts'
import type { PlacedTenant, PlacementAdapter } from '../../core/placement-adapter.ts'

export class MovePlaces {
  readonly #for: (isolation: Isolation) => PlacementAdapter
  constructor(placements: (isolation: Isolation) => PlacementAdapter) {
    this.#for = placements
  }
  async reserve(tenant: PlacedTenant, { to, server }: { to: Isolation; server?: string | undefined; moveId: string }): Promise<Placement> {
    return await this.#for(to).place(tenant, { server })
  }
  async provisionTarget(tenant: PlacedTenant, target: Placement, signal: AbortSignal): Promise<void> {
    await this.#for(target.isolation).provision({ ...tenant, placement: target }, signal)
    await this.#for(target.isolation).setGate({ ...tenant, placement: target }, 'moved')
  }
  async join(_tenant: PlacedTenant, _placement: Placement): Promise<void> {}
  async leave(_tenant: PlacedTenant, _placement: Placement): Promise<void> {}
  async releasePlace(tenant: PlacedTenant, place: Placement, signal: AbortSignal): Promise<void> {
    const at = { ...tenant, placement: place }
    if (place.database === 'main') await this.#for(place.isolation).empty(at, { signal })
    else await this.#for(place.isolation).drop(at, { signal })
  }
}
