// Databases of a server that we run ourselves.

import pg from 'pg'
import { ControlPool } from './control-pool.ts'

/** The superuser's URL of the database `name`, which is created when it is missing. */
export async function ensureDatabase(options: { readonly superuserUrl: string; readonly name: string }): Promise<string> {
  const server = new ControlPool({ connectionString: options.superuserUrl, applicationName: 'partywall setup', connectionsMax: 1 })
  try {
    const found = await server.query('select d.datname from pg_catalog.pg_database as d where d.datname = $1', [options.name])
    if (found.length === 0) await server.query(`create database ${pg.escapeIdentifier(options.name)}`)
  } finally {
    await server.close()
  }
  return databaseUrl(options.superuserUrl, { database: options.name })
}

/** Makes a database that PUBLIC may enter at no moment: it is closed until its privileges are set. */
export async function createPrivateDatabase(
  admin: Pick<ControlPool, 'query'>,
  name: string,
  template: 'template0' | 'template1' = 'template0',
): Promise<void> {
  const database = pg.escapeIdentifier(name)
  await admin.query(`create database ${database} template ${template} allow_connections false`)
  await admin.query(`revoke all on database ${database} from public`)
  await admin.query(`alter database ${database} with allow_connections true`)
}

/** The same server, another database, perhaps another login. */
export function databaseUrl(
  url: string,
  change: { readonly database?: string | undefined; readonly login?: { readonly name: string; readonly password: string } | undefined },
): string {
  const changed = new URL(url)
  if (change.database !== undefined) changed.pathname = `/${encodeURIComponent(change.database)}`
  if (change.login !== undefined) {
    changed.username = encodeURIComponent(change.login.name)
    changed.password = encodeURIComponent(change.login.password)
  }
  return changed.href
}
