// The servers of the fleet for one command: opened, used, closed.

import { ConfigurationError } from '../errors.ts'
import { ControlPool } from '../postgres/control-pool.ts'
import { Servers } from '../postgres/servers.ts'
import { type ControlPlane, withAdmin } from './control-plane.ts'
import { readSettings } from './settings.ts'
import type { Terminal } from './verb.ts'

export interface FleetPlane {
  readonly servers: Servers
  readonly record: ControlPlane['record']
}

/**
 * Runs `fn` with the fleet open, to change what the catalog says of it. It has no secret store: verbs that log in to a server
 * need one.
 *
 * @throws {ConfigurationError} when the migrator's URL is missing.
 */
export async function withServers<T>(terminal: Terminal, fn: (plane: FleetPlane) => Promise<T>): Promise<T> {
  return await withAdmin(terminal, async ({ record }) => {
    const { catalog, admin } = await readSettings(terminal)
    const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'partywall cli', connectionsMax: 1 })
    const [reader, writer] = [open(catalog), open(admin!)]
    try {
      return await fn({ servers: new Servers({ reader, writer, secrets: { get: noStore, put: noStore, delete: noStore } }), record })
    } finally {
      await reader.close()
      await writer.close()
    }
  })
}

async function noStore(): Promise<never> {
  throw new ConfigurationError('This needs a secret store, and this command has none.')
}
