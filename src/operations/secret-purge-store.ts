// Secrets that are the tenant's own.

import type { PurgeCount } from '../core/placement-adapter.ts'
import type { TenantId } from '../core/tenant.ts'
import type { PurgeStore } from './purge-store.ts'

/** What this needs of a secret store. */
export interface PurgedSecrets {
  get(name: string): Promise<string | undefined>
  /** Deleting what is not there is no error. */
  delete(name: string): Promise<void>
}

/** @param names the secrets of a tenant; default: the password of its own login. */
export function secretPurgeStore(
  secrets: PurgedSecrets,
  names: (id: TenantId) => readonly string[] = (id) => [`tenant/${id}/login`],
): PurgeStore {
  const found = async (id: TenantId): Promise<readonly string[]> => {
    const there: string[] = []
    for (const name of names(id)) if ((await secrets.get(name)) !== undefined) there.push(name)
    return there
  }
  const counted = (there: readonly string[]): readonly PurgeCount[] =>
    there.length === 0 ? [] : [{ kind: 'secret', where: 'secret store', count: there.length }]
  return {
    name: 'secrets',
    plan: async ({ id }) => counted(await found(id)),
    purge: async ({ id }) => {
      const there = await found(id)
      for (const name of there) await secrets.delete(name)
      return counted(there)
    },
    verify: async ({ id }) => counted(await found(id)),
  }
}
