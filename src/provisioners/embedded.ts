// For development: a server of a tenant's own is one more embedded PostgreSQL beside the first.

import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Provisioner, type ServerConnection, type ServerRequest, serverNameOf } from '../core/provisioner.ts'
import { type EmbeddedServer, type EmbeddedServerOptions, startEmbeddedServer } from '../postgres/embedded.ts'

export interface EmbeddedProvisionerOptions {
  /** Where the servers' directories go: one for each tenant. */
  readonly directory: string
  /** Server parameters of each. */
  readonly settings?: EmbeddedServerOptions['settings']
  readonly binDirectory?: string | undefined
}

export interface EmbeddedProvisioner extends Provisioner {
  /** Starts the servers of these tenants again, at their ports of before: after a restart of the development environment. */
  start(tenantIds: readonly ServerRequest['tenantId'][]): Promise<void>
  /** Stops every server that runs. Their data stay. */
  stop(): Promise<void>
}

/** Starts servers on 127.0.0.1, and keeps them running until `stop`. */
export function embedded(options: EmbeddedProvisionerOptions): EmbeddedProvisioner {
  const { settings, binDirectory } = options
  const running = new Map<string, Promise<EmbeddedServer>>()
  const directoryOf = (name: string): string => join(resolve(options.directory), name)

  async function open(name: string): Promise<EmbeddedServer> {
    const started =
      running.get(name) ??
      rememberedPort(name).then((port) => startEmbeddedServer({ directory: directoryOf(name), settings, binDirectory, port }))
    running.set(name, started)
    // One that did not start is tried again by the next who asks.
    started.catch(() => running.delete(name))
    return await started
  }

  /** The catalog has the port of the first start: at another one nobody would find the server. */
  async function rememberedPort(name: string): Promise<number | undefined> {
    const text = await readFile(join(directoryOf(name), 'server.json'), 'utf8').catch(() => undefined)
    const port = text === undefined ? 0 : (JSON.parse(text) as { port: number }).port
    return port > 0 ? port : undefined
  }

  async function acquire({ tenantId, region }: ServerRequest): Promise<ServerConnection> {
    const { host, port, superuserUrl } = await open(serverNameOf(tenantId))
    const { username, password } = new URL(superuserUrl)
    return { host, port, adminLogin: username, adminPassword: decodeURIComponent(password), region, labels: { embedded: true } }
  }

  return {
    name: 'embedded',
    acquire,
    resume: acquire,
    async destroy({ tenantId }) {
      const name = serverNameOf(tenantId)
      // Started when it is not running, so that a server which a killed process left behind is stopped too.
      const { stop, dataDirectory } = await open(name)
      await stop()
      running.delete(name)
      await rm(dataDirectory, { recursive: true, force: true })
      await rm(directoryOf(name), { recursive: true, force: true })
    },
    async start(tenantIds) {
      for (const id of tenantIds) await open(serverNameOf(id))
    },
    async stop() {
      const all = [...running.values()]
      running.clear()
      for (const server of all) await (await server.catch(() => undefined))?.stop()
    },
  }
}
