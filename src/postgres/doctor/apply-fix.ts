// Runs the SQL of a finding: as the owner of the tables or as the administrator of the server, in one transaction, and not for long.

import type { DoctorFinding } from '../../core/doctor-finding.ts'
import { ConfigurationError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { findDatabase } from '../database-address.ts'
import type { FleetConnections } from '../fleet-connections.ts'

export interface FixSite {
  readonly reader: ControlConnection
  readonly connections: FleetConnections
}

/** Whoever waits for a lock makes others wait behind it. */
const manners = `set local lock_timeout = '2s'; set local statement_timeout = '30s'`

/**
 * @throws {ConfigurationError} for a finding that a person must decide on, or whose place the catalog does not have any more.
 * @throws the database's own error when it refuses: then nothing was changed.
 */
export async function applyFix({ reader, connections }: FixSite, { at, fix, fixAs, isFixSafe, key }: DoctorFinding): Promise<void> {
  if (fix === null || !isFixSafe)
    throw new ConfigurationError(`${key} has no SQL that may be run without thinking. Read its page and decide.`)
  const run = (control: ControlPool): Promise<void> =>
    control.transaction(async (connection) => {
      await connection.query(manners)
      await connection.query(fix)
    })
  if (fixAs === 'owner') return await connections.asMigrator(at.database ?? (await anyDatabaseOf(reader, at.server)), run)
  await connections.asAdministrator(at.server, run, await nameOnServer(reader, at.database))
}

/** What all databases of a server share can be changed in any of them. */
async function anyDatabaseOf(reader: ControlConnection, server: string): Promise<string> {
  const [row] = await reader.query<{ name: string }>(
    `select d.name from partywall.databases as d
      where d.server_name = $1 and d.state in ('stock', 'ready', 'draining')
      order by d.name <> 'main', d.name
      limit 1`,
    [server],
  )
  if (row === undefined) throw new ConfigurationError(`The server ${server} has no database in the catalog.`)
  return row.name
}

async function nameOnServer(reader: ControlConnection, database: string | null): Promise<string | undefined> {
  if (database === null) return undefined
  const row = await findDatabase(reader, database)
  if (row === undefined) throw new ConfigurationError(`There is no database ${JSON.stringify(database)} in the catalog any more.`)
  return row.databaseName
}
