// One more PostgreSQL, with nothing of ours in it: a server that is yet to join the fleet.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'

/** For a machine with few cores and many of these. Nothing of them needs to survive. */
export const frugalSettings = { fsync: 'off', shared_buffers: '16MB', max_connections: 30, autovacuum: 'off' } as const

/** Stop it. */
export async function fleetServer(): Promise<EmbeddedServer> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-fleet-'))
  const server = await startEmbeddedServer({
    directory,
    settings: frugalSettings,
    binDirectory: process.env['PARTYWALL_TEST_POSTGRES_BIN'],
  })
  return {
    ...server,
    stop: async () => {
      await server.stop()
      await rm(server.dataDirectory, { recursive: true, force: true })
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Secrets in memory. */
export class MemorySecrets {
  readonly kept = new Map<string, string>()
  /** Told before each `put`; what it throws is thrown. */
  beforePut: (name: string) => void = () => {}

  async get(name: string): Promise<string | undefined> {
    return this.kept.get(name)
  }

  async put(name: string, value: string): Promise<void> {
    this.beforePut(name)
    this.kept.set(name, value)
  }

  async delete(name: string): Promise<void> {
    this.kept.delete(name)
  }
}
