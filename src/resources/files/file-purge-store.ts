// Files hold something of a tenant beside its tables: they go when it is off-boarded, named or not, and with them what uploads that
// never ended have left.

import { type Clock, systemClock } from '../../core/clock.ts'
import type { PurgeCount } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { FileStore } from '../../objects/file-store.ts'
import type { PurgeStore } from '../../operations/purge-store.ts'
import { tenantPrefix } from './object-key.ts'

/**
 * Purges the files of tenants: pass it to `openFleet({ stores: [filePurgeStore([store])] })`.
 *
 * @param stores all that any region's tenants may have files in.
 */
export function filePurgeStore(stores: readonly FileStore[], clock: Clock = systemClock): PurgeStore {
  const found = async (id: TenantId): Promise<readonly PurgeCount[]> => {
    const counts: PurgeCount[] = []
    for (const [index, store] of stores.entries()) {
      let count = 0
      for await (const _ of keysOf(store, id)) count += 1
      if (count > 0) counts.push({ kind: 'objects', where: placeOf(store, index), count })
    }
    return counts
  }
  return {
    name: 'files',
    plan: async ({ id }) => await found(id),
    verify: async ({ id }) => await found(id),
    async purge({ id }, { onProgress, signal }) {
      const removed: PurgeCount[] = []
      for (const [index, store] of stores.entries()) {
        let count = 0
        for await (const key of keysOf(store, id)) {
          if (signal?.aborted === true) break
          await store.delete(key)
          count += 1
        }
        await store.discardUnfinished(tenantPrefix(id), new Date(clock.now() + 1))
        if (count === 0) continue
        const told = { kind: 'objects', where: placeOf(store, index), count }
        removed.push(told)
        onProgress?.(told)
      }
      return removed
    },
  }
}

function placeOf({ kind }: FileStore, index: number): string {
  return index === 0 ? `files (${kind})` : `files (${kind} ${index + 1})`
}

async function* keysOf(store: FileStore, id: TenantId): AsyncGenerator<string> {
  let after: string | undefined
  do {
    const { objects, next } = await store.page(tenantPrefix(id), { after })
    for (const { key } of objects) yield key
    after = next
  } while (after !== undefined)
}
