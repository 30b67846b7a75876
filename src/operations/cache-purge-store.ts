// Cached values: one new generation puts every entry of the tenant out of reach; they are dropped as they expire.

import type { TenantId } from '../core/tenant.ts'
import { PurgeIncompleteError } from '../errors.ts'
import type { PurgeStore } from './purge-store.ts'

/** What this needs of a CacheStore. */
export interface Generations {
  generation(tenantId: TenantId): string | Promise<string>
  advance(tenantId: TenantId): Promise<void>
}

/**
 * @param store a CacheStore. Entries of a store that is one process's memory are that process's alone: others drop theirs as they
 * expire, and nobody can reach them meanwhile, since the tenant is gone.
 */
export function cachePurgeStore(store: Generations): PurgeStore {
  return {
    name: 'cache',
    plan: async () => [{ kind: 'generation', where: 'cache', count: 1 }],
    purge: async ({ id }) => {
      const before = await store.generation(id)
      await store.advance(id)
      if ((await store.generation(id)) === before) {
        throw new PurgeIncompleteError('The cache still answers with the tenant’s old generation.', { details: { store: 'cache' } })
      }
      return [{ kind: 'generation', where: 'cache', count: 1 }]
    },
    verify: async () => [],
  }
}
