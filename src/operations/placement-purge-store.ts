// The tenant's rows, and the place that was its own.

import type { Isolation } from '../core/placement.ts'
import type { PlacementAdapter } from '../core/placement-adapter.ts'
import type { PurgeStore } from './purge-store.ts'

/** Rows first, in batches, so that neighbours in shared tables are not disturbed; then the place itself. */
export function placementPurgeStore(placements: (isolation: Isolation) => PlacementAdapter): PurgeStore {
  return {
    name: 'placement',
    plan: async (tenant) => await placements(tenant.placement.isolation).remains(tenant),
    purge: async (tenant, options) => {
      const adapter = placements(tenant.placement.isolation)
      const emptied = await adapter.empty(tenant, options)
      return [...emptied, ...(await adapter.drop(tenant, options))]
    },
    verify: async (tenant) => await placements(tenant.placement.isolation).remains(tenant),
  }
}
