// Backups are a place that holds something of a tenant: they go when it is off-boarded. Its key goes with its other secrets, so that
// copies of the store that nobody thought of cannot be read any more either.

import type { PurgeCount } from '../core/placement-adapter.ts'
import type { TenantId } from '../core/tenant.ts'
import type { ObjectStore } from '../objects/object-store.ts'
import type { PurgeStore } from '../operations/purge-store.ts'

export function backupPurgeStore(store: ObjectStore): PurgeStore {
  const found = async (id: TenantId): Promise<readonly PurgeCount[]> => {
    const objects = await store.list(`${id}/`)
    return objects.length === 0 ? [] : [{ kind: 'objects', where: `backups (${store.kind})`, count: objects.length }]
  }
  return {
    name: 'backups',
    plan: async ({ id }) => await found(id),
    async purge({ id }, { onProgress }) {
      const before = await found(id)
      for (const { key } of await store.list(`${id}/`)) await store.delete(key)
      for (const count of before) onProgress?.(count)
      return before
    },
    verify: async ({ id }) => await found(id),
  }
}
