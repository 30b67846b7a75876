// A login for one transfer of a tenant's rows: a move, a restore. It is made by the administrator of each server that takes part, and
// dropped when the transfer is over, so that between transfers nobody can do what it can.
//
// Policies do not hold for it (BYPASSRLS): the copies and the workers of PostgreSQL's replication would be given no rows otherwise,
// without an error. So everything that it does names the tenant: row filters, `copy … where`, and, where replication applies rows, the
// guard of each table, which knows the tenant by this login's own settings.

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { SecretStore } from '../core/secret-store.ts'
import type { TenantId, TenantKeys } from '../core/tenant.ts'
import { pastCollisions } from './catalog-collision.ts'
import type { ControlConnection } from './control-pool.ts'
import { databaseUrl } from './database.ts'
import type { FleetConnections } from './fleet-connections.ts'
import { roles, scramVerifier } from './roles.ts'
import { quoted } from './table-shape.ts'

/** One server that takes part, with the databases there, as PostgreSQL knows them. */
export interface TransferSite {
  readonly server: string
  readonly databases: readonly string[]
}

export interface Transfer {
  /** Of the move or the restore: the login is named for it. */
  readonly id: string
  readonly tenant: { readonly id: TenantId; readonly keys: TenantKeys }
}

/** @see ensureTransferLogin */
export interface TransferLogin {
  readonly name: string
  /** The URL with which it reaches a database. Row-level security that would hide rows is an error there, not silence. */
  url(server: string, database: string): Promise<string>
}

export interface TransferAccess {
  readonly connections: FleetConnections
  readonly secrets: SecretStore
}

/** The login's name: nothing of the tenant is in it, since all of the server can read it. */
export function transferLoginName(id: string): string {
  return `pw_tr_${id.replaceAll('-', '')}`
}

/**
 * Makes the login on the servers given, or brings it back to what it must be. May be repeated, also by another process.
 *
 * @throws {DatabaseUnavailableError} {@link ConfigurationError} when a server cannot be reached as its administrator.
 */
export async function ensureTransferLogin(
  { connections, secrets }: TransferAccess,
  transfer: Transfer,
  sites: readonly TransferSite[],
): Promise<TransferLogin> {
  const name = transferLoginName(transfer.id)
  const password = await ensurePassword(secrets, transfer.id)
  for (const { server, databases } of sites) {
    await connections.asAdministrator(server, (admin) => ensureLogin(admin, { name, password, databases, transfer }))
  }
  return {
    name,
    url: async (server, database) => {
      const url = new URL(databaseUrl(await connections.administratorUrl(server), { database, login: { name, password } }))
      url.searchParams.set('options', '-crow_security=off -cstatement_timeout=0 -clock_timeout=0')
      // libpq knows no plus sign for a blank.
      return url.href.replaceAll('+', '%20')
    },
  }
}

/**
 * Drops the login, with whatever it still owns or was granted in those databases. One that is not there is no failure.
 *
 * @returns how many were dropped.
 */
export async function dropTransferLogin(
  { connections, secrets }: TransferAccess,
  id: string,
  sites: readonly TransferSite[],
): Promise<number> {
  const name = transferLoginName(id)
  let dropped = 0
  for (const { server, databases } of sites) {
    const isThere = await connections.asAdministrator(server, async (admin) => {
      const found = await admin.query('select from pg_catalog.pg_roles as r where r.rolname = $1', [name])
      if (found.length === 0) return false
      await pastCollisions(() => admin.query(`alter role ${quoted(name)} nologin`))
      // An administrator that is no superuser may alter what it has made, but acts for it only as a member.
      await pastCollisions(() => admin.query(`grant ${quoted(name)} to current_user`))
      await admin.query('select pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a where a.usename = $1', [name])
      return true
    })
    if (!isThere) continue
    for (const database of databases) {
      const isDatabase = await connections.asAdministrator(server, (admin) =>
        admin.query('select from pg_catalog.pg_database as d where d.datname = $1 and d.datallowconn', [database]),
      )
      if (isDatabase.length === 0) continue
      await connections.asAdministrator(server, (admin) => pastCollisions(() => admin.query(`drop owned by ${quoted(name)}`)), database)
    }
    await connections.asAdministrator(server, (admin) => pastCollisions(() => admin.query(`drop role if exists ${quoted(name)}`)))
    dropped += 1
  }
  await secrets.delete(secretName(id))
  return dropped
}

interface Wanted {
  readonly name: string
  readonly password: string
  readonly databases: readonly string[]
  readonly transfer: Transfer
}

/** Nothing is said of SUPERUSER, which no new role is: only a superuser may. One message, and so one transaction: it is there with its password and its settings, or not at all. */
async function ensureLogin(admin: ControlConnection, { name, password, databases, transfer }: Wanted): Promise<void> {
  const role = quoted(name)
  const found = await admin.query('select from pg_catalog.pg_roles as r where r.rolname = $1', [name])
  const { id, keys } = transfer.tenant
  const settings = { uuid: id, bigint: keys.bigint, text: keys.text }
  const text = `
    ${found.length === 0 ? `create role ${role};` : ''}
    alter role ${role} login inherit replication bypassrls nocreatedb nocreaterole password '${scramVerifier(password)}';
    grant ${roles.owner}, pg_create_subscription, pg_read_all_stats, pg_signal_backend to ${role};
    alter role ${role} set search_path = pg_catalog;
    ${Object.entries(settings)
      .map(([type, key]) =>
        key === undefined || key === null ? '' : `alter role ${role} set partywall.applies_${type} = ${pg.escapeLiteral(String(key))};`,
      )
      .join('\n')}
    ${databases.map((database) => `grant connect, create on database ${quoted(database)} to ${role};`).join('\n')}`
  await pastCollisions(() => admin.query(text))
}

async function ensurePassword(secrets: SecretStore, id: string): Promise<string> {
  const kept = await secrets.get(secretName(id))
  if (kept !== undefined) return kept
  const password = randomBytes(32).toString('base64url')
  await secrets.put(secretName(id), password)
  return password
}

function secretName(id: string): string {
  return `transfer/${id}/login`
}
