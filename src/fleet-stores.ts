// What a fleet hands to its operations: servers that go with their tenants, keys of new tenants, what moves left behind.

import type { ApiKeys } from './core/api-keys.ts'
import type { PlacedTenant, PurgeCount } from './core/placement-adapter.ts'
import type { DedicatedServers, ServerRequest } from './core/provisioner.ts'
import type { TenantId } from './core/tenant.ts'
import { issueApiKey } from './identity/api-key.ts'
import type { PurgeStore } from './operations/purge-store.ts'
import type { AdminKeys } from './operations/tenant-life.ts'
import { type LeftoverFleet, reapLeftovers } from './postgres/moves/leftovers.ts'
import type { OwnedServers } from './postgres/owned-servers.ts'

/** What was removed of moves that are over, and what could not be, in words. */
export async function reapedTexts(fleet: LeftoverFleet): Promise<readonly string[]> {
  const { removed, problems } = await reapLeftovers(fleet)
  return [
    ...removed.map(({ kind, server, database, name }) => `${kind} ${name} (${server}${database === null ? '' : ` ${database}`})`),
    ...problems.map(({ server, message }) => `not on ${server}: ${message}`),
  ]
}

/** The operation of a server is the tenant's being there: it is begun once, whatever asks for it. */
export function requestFor(tenantId: TenantId, region: string, plan: string): ServerRequest {
  return { tenantId, region, plan, labels: {}, operationId: `server-${tenantId}` }
}

/** A server that was made for the tenant goes with it; one off the shelf is put back. */
export function serverPurgeStore(dedicated: DedicatedServers, owned: OwnedServers): PurgeStore {
  const found = async ({ id }: PlacedTenant): Promise<readonly PurgeCount[]> => {
    const server = await owned.find(id)
    return server === undefined || server.state === 'retired' ? [] : [{ kind: 'server', where: server.name, count: 1 }]
  }
  return {
    name: 'server',
    plan: found,
    verify: found,
    async purge(tenant) {
      const before = await found(tenant)
      await dedicated.release(requestFor(tenant.id, tenant.region, ''))
      return before
    },
  }
}

/** The first key of a new tenant. */
export function adminKeys(apiKeys: ApiKeys): AdminKeys {
  return {
    async issue(tenantId, { name, scopes }) {
      const { key, text } = await issueApiKey(apiKeys, { tenantId, name, scopes })
      return { prefix: key.prefix, text }
    },
    async revokeNamed(tenantId, name) {
      for (const key of await apiKeys.list(tenantId)) {
        if (key.name === name && key.revokedAt === undefined) await apiKeys.revoke(tenantId, key.prefix)
      }
    },
  }
}
