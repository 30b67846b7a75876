// The roles of partywall on a server of the fleet, and their passwords in the secret store. A password is put into the store
// before the server learns it: whatever is killed in between, the next run knows it.

import { randomBytes } from 'node:crypto'
import { ServerRefusedError } from '../errors.ts'
import { ControlPool } from './control-pool.ts'
import { databaseUrl } from './database.ts'
import { secureServer } from './placements/secure-server.ts'
import { ensureRoles, type RolePasswords, roles } from './roles.ts'

/** What is needed of a secret store. */
export interface ServerSecrets {
  get(name: string): Promise<string | undefined>
  put(name: string, value: string): Promise<void>
  delete(name: string): Promise<void>
}

const kinds = ['migrator', 'gatekeeper', 'app'] as const
type Kind = (typeof kinds)[number]

/** The secrets of a server. */
export function secretNamesOf(server: string): readonly string[] {
  return ['admin', ...kinds].map((kind) => `server/${server}/${kind}`)
}

export interface ServerLoginsOptions {
  readonly server: string
  readonly adminUrl: string
  readonly secrets: ServerSecrets
  /** Give logins that are there already, and whose passwords nobody has, new ones. Default: refuse. */
  readonly resetPasswords?: boolean | undefined
}

/**
 * Makes the roles, or brings them back to what they must be. Passwords that work are kept; one that is in use elsewhere is never
 * replaced unasked.
 *
 * @throws {ServerRefusedError} when a login is there and the store's password does not open it.
 */
export async function ensureServerLogins(options: ServerLoginsOptions): Promise<void> {
  const { adminUrl, secrets, server } = options
  const admin = new ControlPool({ connectionString: adminUrl, applicationName: 'partywall server', connectionsMax: 1 })
  try {
    const present = await admin.query<{ name: string }>(
      'select r.rolname as name from pg_catalog.pg_roles as r where r.rolname = any ($1)',
      [kinds.map((kind) => roles[kind])],
    )
    const passwords: { -readonly [K in keyof RolePasswords]: RolePasswords[K] } = {}
    for (const kind of kinds) {
      const password = await passwordToSet(
        options,
        kind,
        present.some(({ name }) => name === roles[kind]),
      )
      if (password !== undefined) passwords[kind] = password
    }
    for (const kind of kinds) if (passwords[kind] !== undefined) await secrets.put(`server/${server}/${kind}`, passwords[kind])
    // Whole or not at all: a login without its password would look like somebody else's.
    await admin.transaction(async (connection) => await ensureRoles(connection, passwords))
    await secureServer(admin)
  } finally {
    await admin.close()
  }
}

/** Undefined when the login's password works and stays. */
async function passwordToSet(options: ServerLoginsOptions, kind: Kind, isPresent: boolean): Promise<string | undefined> {
  const { server, adminUrl, secrets, resetPasswords } = options
  const kept = await secrets.get(`server/${server}/${kind}`)
  if (!isPresent) return kept ?? randomBytes(24).toString('base64url')
  if (kept !== undefined && (await opens(databaseUrl(adminUrl, { login: { name: roles[kind], password: kept } })))) return undefined
  if (resetPasswords === true) return kept ?? randomBytes(24).toString('base64url')
  const why = kept === undefined ? 'its password is not in the secret store' : 'the password in the secret store does not open it'
  throw new ServerRefusedError(
    `${roles[kind]} is on the server ${server} already, and ${why}. Put the password there as server/${server}/${kind}; or, if nobody else uses that login, add the server with resetPasswords.`,
    { details: { server, login: roles[kind] } },
  )
}

/** Does the password open the login? The server may still refuse the database: then the password was right. */
export async function opens(url: string): Promise<boolean> {
  const control = new ControlPool({ connectionString: url, applicationName: 'partywall server', connectionsMax: 1 })
  try {
    await control.query('select 1')
    return true
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { code?: string } }
    const sqlstate = cause?.code ?? code
    if (sqlstate === '28P01' || sqlstate === '28000') return false
    if (sqlstate === '42501' || sqlstate === '3D000') return true
    throw error
  } finally {
    await control.close()
  }
}
