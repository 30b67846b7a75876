// Where a database of the fleet is, and how to log in there: the place from the catalog, the passwords from the secret store.

import type { SecretReader } from '../core/secret-reader.ts'
import { ConfigurationError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'
import { databaseUrl } from './database.ts'
import { roles } from './roles.ts'

/** URLs of the catalog's own database: other databases of its server are reached by the same logins. */
export interface MainUrls {
  readonly app: string
  readonly gatekeeper: string
}

/** A row of partywall.databases with its server. */
export interface DatabaseRow {
  readonly name: string
  readonly server: string
  readonly databaseName: string
  readonly holds: 'pooled' | 'schema' | 'tenant'
  readonly login: string | null
  readonly secretName: string | null
  readonly host: string | null
  readonly port: number | null
}

export interface DatabaseAddress {
  readonly name: string
  readonly app: string
  /** Undefined where a tenant's own login needs none. */
  readonly gatekeeper: string | undefined
}

/** One database of the catalog, by its name there. */
export async function findDatabase(control: ControlConnection, name: string): Promise<DatabaseRow | undefined> {
  const [row] = await control.query<DatabaseRow>(
    `select d.name, d.server_name as server, d.database_name as "databaseName", d.holds, d.login, d.secret_name as "secretName", s.host, s.port
       from partywall.databases as d
       join partywall.servers as s on s.name = d.server_name
      where d.name = $1`,
    [name],
  )
  return row
}

/**
 * @param refresh Passwords were refused: the secret store is to look anew.
 * @throws {ConfigurationError} when the secret store does not have the password.
 */
export async function addressOf(row: DatabaseRow, main: MainUrls, secrets: SecretReader, refresh = false): Promise<DatabaseAddress> {
  const { name, server, databaseName: database } = row
  const at = (url: string, login?: { readonly name: string; readonly password: string }): string => {
    const here = databaseUrl(url, { database, login })
    return row.host === null ? here : serverUrl(here, row.host, row.port!)
  }
  if (row.login !== null && row.secretName !== null) {
    const password = await required(secrets, row.secretName, refresh)
    return { name, app: at(main.app, { name: row.login, password }), gatekeeper: undefined }
  }
  // On the catalog's own server the logins are those of the application's settings.
  if (row.host === null) return { name, app: at(main.app), gatekeeper: at(main.gatekeeper) }
  const [app, gatekeeper] = await Promise.all([
    required(secrets, `server/${server}/app`, refresh),
    required(secrets, `server/${server}/gatekeeper`, refresh),
  ])
  return {
    name,
    app: at(main.app, { name: roles.app, password: app }),
    gatekeeper: at(main.gatekeeper, { name: roles.gatekeeper, password: gatekeeper }),
  }
}

/** The same login, database and parameters on another server. */
export function serverUrl(url: string, host: string, port: number): string {
  const changed = new URL(url)
  changed.hostname = host.includes(':') ? `[${host}]` : host
  changed.port = String(port)
  return changed.href
}

async function required(secrets: SecretReader, name: string, refresh: boolean): Promise<string> {
  if (refresh) secrets.forget?.(name)
  const secret = await secrets.get(name)
  if (secret !== undefined) return secret
  throw new ConfigurationError(
    `The secret store has no ${name}. Pass \`secrets\` to createTenancy(): the store in which operations keep passwords.`,
  )
}
