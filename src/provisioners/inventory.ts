// Servers that the operator has made beforehand: registered with the label `dedicated: true`, one for each tenant who wants one.

import type { Provisioner, ServerConnection, ServerRequest } from '../core/provisioner.ts'
import { ProvisionerError } from '../errors.ts'
import type { OwnedServers } from '../postgres/owned-servers.ts'

export interface InventoryOptions {
  readonly owned: OwnedServers
  /** Has `server/<name>/admin` of every registered server. */
  readonly secrets: { get(name: string): Promise<string | undefined> }
}

/** Takes servers off the shelf, and puts them back. Two tenants who ask at the same time get two. */
export function inventory({ owned, secrets }: InventoryOptions): Provisioner {
  async function acquire(request: ServerRequest): Promise<ServerConnection> {
    const server = (await owned.find(request.tenantId)) ?? (await owned.take(request))
    const admin = await secrets.get(`server/${server.name}/admin`)
    if (admin === undefined) {
      throw new ProvisionerError(`The secret store has no server/${server.name}/admin. Register the server ${server.name} again.`)
    }
    const { username, password } = new URL(admin)
    return {
      host: server.host,
      port: server.port,
      adminLogin: decodeURIComponent(username),
      adminPassword: decodeURIComponent(password),
      region: server.region,
      labels: server.labels,
    }
  }
  return {
    name: 'inventory',
    reserve: async (request) => ((await owned.find(request.tenantId)) ?? (await owned.take(request))).name,
    acquire,
    resume: acquire,
    async destroy({ tenantId }) {
      const server = await owned.find(tenantId)
      if (server !== undefined) await owned.giveBack(server.name)
    },
  }
}
