// Secrets that are the tenant's own.

import type { PurgeCount } from '../core/placement-adapter.ts'
import type { TenantId } from '../core/tenant.ts'
import type { PurgeStore } from './purge-store.ts'

/** What this needs of a secret store. */
export interface PurgedSecrets {
  get(name: string): Promise<string | undefined>
  /** Deleting what is not there is no error. */
  delete(name: string): Promise<void>
  list(prefix: string): Promise<readonly string[]>
}

/**
 * What a store cannot read it may still keep: an older version, a draft of a process that was killed. So everything is deleted,
 * read or not, and afterwards both asked for by name and looked for in the list.
 */
export function secretPurgeStore(secrets: PurgedSecrets): PurgeStore {
  const known = (id: TenantId): readonly string[] => [`tenant/${id}/login`, `tenant/${id}/backup`]
  const listed = async (id: TenantId): Promise<readonly string[]> => await secrets.list(`tenant/${id}/`)
  const found = async (id: TenantId): Promise<readonly string[]> => {
    const there = new Set(await listed(id))
    for (const name of known(id)) if ((await secrets.get(name)) !== undefined) there.add(name)
    return [...there]
  }
  const counted = (there: readonly string[]): readonly PurgeCount[] =>
    there.length === 0 ? [] : [{ kind: 'secret', where: 'secret store', count: there.length }]
  return {
    name: 'secrets',
    plan: async ({ id }) => counted(await found(id)),
    purge: async ({ id }) => {
      const there = await found(id)
      for (const name of new Set([...known(id), ...there])) await secrets.delete(name)
      return counted(there)
    },
    verify: async ({ id }) => counted(await found(id)),
  }
}
