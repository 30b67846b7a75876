// What is installed in a database, and what `installPartywall()` would do to it. Changes nothing.

import { ControlPool } from './control-pool.ts'
import { roles } from './roles.ts'
import { sqlFiles } from './sql-files.ts'

export interface Installation {
  readonly serverVersion: string
  readonly database: string
  /** Logins of ours that are there already. */
  readonly logins: readonly ('migrator' | 'gatekeeper' | 'app')[]
  /** SQL files that have not run yet. */
  readonly pendingFiles: readonly string[]
}

/** The names of the logins, for URLs. */
export const logins = Object.freeze({ migrator: roles.migrator, gatekeeper: roles.gatekeeper, app: roles.app })

/** @throws {DatabaseUnavailableError} when the server cannot be reached. */
export async function inspectInstallation(connectionString: string): Promise<Installation> {
  const server = new ControlPool({ connectionString, applicationName: 'partywall init', connectionsMax: 1 })
  try {
    const [facts] = await server.query<{ version: string; database: string; roles: string[]; installed: boolean }>(
      `select current_setting('server_version') as version, current_database() as database,
              array(select r.rolname::text from pg_catalog.pg_roles as r where r.rolname = any ($1)) as roles,
              to_regclass('partywall.migrations') is not null as installed`,
      [Object.values(logins)],
    )
    const { version = '', database = '', roles: present = [], installed = false } = facts ?? {}
    const applied = installed ? await server.query<{ file: string }>('select m.file from partywall.migrations as m') : []
    const known = new Set(applied.map((row) => row.file))
    const files = sqlFiles(true).map(({ file }) => file)
    return {
      serverVersion: version,
      database,
      logins: (['migrator', 'gatekeeper', 'app'] as const).filter((login) => present.includes(logins[login])),
      pendingFiles: files.filter((file) => !known.has(file)),
    }
  } finally {
    await server.close()
  }
}
