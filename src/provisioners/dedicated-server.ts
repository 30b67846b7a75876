// A server of a tenant's own: wanted from a provisioner, then taken into the fleet like every other.
//
//   reserve → the catalog knows its name       acquire → made, checked, roles on it, active       release → destroyed, struck
//
// Each step may be repeated. What was begun by a process that was killed is noted in the catalog, and resumed.

import type { DedicatedServers, Provisioner, ProvisionerRun, ServerConnection, ServerRequest } from '../core/provisioner.ts'
import { ProvisionerError, RegionMismatchError } from '../errors.ts'
import type { OwnedServer, OwnedServers } from '../postgres/owned-servers.ts'
import type { Servers } from '../postgres/servers.ts'

export interface DedicatedServerOptions {
  readonly servers: Servers
  readonly owned: OwnedServers
  readonly provisioner: Provisioner
  /** See NewServer. */
  readonly allowUnencrypted?: boolean | undefined
}

/**
 * Joins a provisioner and the fleet.
 *
 * @example
 * ```ts
 * const dedicated = dedicatedServer({ servers, owned: new OwnedServers(writer), provisioner: command({ argv: ['./provision.mjs'], … }) })
 * ```
 */
export function dedicatedServer(options: DedicatedServerOptions): DedicatedServers {
  const { servers, owned, provisioner } = options

  async function reserved(request: ServerRequest): Promise<OwnedServer> {
    const found = await owned.find(request.tenantId)
    if (found === undefined) {
      if (provisioner.reserve === undefined) return await owned.promise(request, provisioner.name)
      await provisioner.reserve(request)
      return (await owned.find(request.tenantId))!
    }
    assertRegion(request, found.region)
    return found
  }

  async function make(server: OwnedServer, request: ServerRequest, run: ProvisionerRun | undefined): Promise<ServerConnection> {
    await owned.noteBegun(server.name)
    const { isBegun } = server.provisioned
    const connection = isBegun === true ? await provisioner.resume(request, run) : await provisioner.acquire(request, run)
    assertRegion(request, connection.region)
    if (connection.state !== undefined && JSON.stringify(connection.state).includes(connection.adminPassword)) {
      throw new ProvisionerError(
        `${provisioner.name} put the password into its state, which is kept in the catalog. It has not been stored.`,
      )
    }
    return connection
  }

  return {
    reserve: async (request) => (await reserved(request)).name,

    async acquire(request, run) {
      const server = await reserved(request)
      if (server.state === 'active') return server.name
      // Under the operation that began it: the tool knows it by that one.
      const own = { ...request, operationId: server.provisioned.operationId }
      const connection = await make(server, own, run)
      if (connection.state !== undefined) await owned.keepState(server.name, connection.state)
      await servers.add({
        name: server.name,
        region: connection.region,
        adminUrl: adminUrlOf(connection),
        labels: { ...connection.labels, dedicated: true },
        tenantsMax: 1,
        provisioner: provisioner.name,
        allowUnencrypted: options.allowUnencrypted,
      })
      return server.name
    },

    async release(request, run) {
      const server = await owned.find(request.tenantId)
      if (server === undefined) return
      await owned.assertEmpty(server.name)
      const { operationId, state } = server.provisioned
      // One off the shelf is put back; what was made for this tenant goes with it.
      if (server.isShelved) return await owned.giveBack(server.name)
      if (server.provisioner !== provisioner.name) {
        throw new ProvisionerError(`The server ${server.name} was made by ${server.provisioner}: only that can destroy it.`)
      }
      await owned.retire(server.name)
      await provisioner.destroy({ ...request, operationId }, state, run)
      await servers.remove(server.name, { owner: request.tenantId })
    },
  }
}

function assertRegion(request: ServerRequest, region: string): void {
  if (region === request.region) return
  throw new RegionMismatchError(`The tenant is of the region ${request.region}, and its server is in ${region}.`, {
    details: { tenantId: request.tenantId },
  })
}

function adminUrlOf({ host, port, adminLogin, adminPassword }: ServerConnection): string {
  const url = new URL('postgres://localhost/postgres')
  url.hostname = host.includes(':') ? `[${host}]` : host
  url.port = String(port)
  url.username = encodeURIComponent(adminLogin)
  url.password = encodeURIComponent(adminPassword)
  return url.href
}
