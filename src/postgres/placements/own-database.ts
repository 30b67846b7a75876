// A database and a login of one tenant's own, on a server. Made in steps that can each be repeated, in this order:
//
//   row in the catalog ─ secret ─ login (marked as ours) ─ database (closed) ─ privileges, opened ─ migrations ─ gate, login's tenant
//
// CREATE DATABASE is in no transaction, but the login is: it carries the mark of the catalog's row, and goes before the database.
// So what has the name and not the mark was there before us, and is left alone.

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { databaseNameOf } from '../../core/placement.ts'
import type { TenantId, TenantKeys } from '../../core/tenant.ts'
import { ConfigurationError, PlacementConflictError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { appSchema, roleLimits, roles, scramVerifier } from '../roles.ts'
import { quoted } from '../table-shape.ts'
import { type PlacementSite, told } from './placement-site.ts'
import type { Templates } from './template.ts'

/** A row of partywall.databases that holds a tenant. Catalog name, database and login are one name. */
export interface OwnDatabase {
  readonly name: string
  readonly server: string
  readonly tenantId: TenantId | null
  readonly secretName: string
  readonly version: string | null
  readonly state: 'provisioning' | 'stock' | 'ready' | 'draining' | 'dropping'
  readonly mark: string
  /** The move for which it is kept: the tenant is served elsewhere. Null for the tenant's present place. */
  readonly moveId: string | null
}

const columns = `d.name, d.server_name as server, d.tenant_id as "tenantId", d.secret_name as "secretName", d.version, d.state, d.mark::text as mark, d.move_id as "moveId"`

/** Gates up to here are the wall's own, in every database: for rows that open nothing, and for canaries. No tenant has such an id. */
export const lastOfTheWall = '00000000-0000-0000-0000-0000000000ff'

export async function findOwnDatabase(catalog: ControlConnection, name: string): Promise<OwnDatabase | undefined> {
  const [row] = await catalog.query<OwnDatabase>(
    `select ${columns} from partywall.databases as d where d.name = $1 and d.holds = 'tenant'`,
    [name],
  )
  return row
}

/** The tenant's present place, and never the other one of a move. */
export async function findDatabaseOf(catalog: ControlConnection, tenantId: TenantId): Promise<OwnDatabase | undefined> {
  const [row] = await catalog.query<OwnDatabase>(
    `select ${columns} from partywall.databases as d where d.tenant_id = $1 and d.move_id is null`,
    [tenantId],
  )
  return row
}

/** What a move has reserved, or has left. */
export async function findDatabaseOfMove(catalog: ControlConnection, moveId: string): Promise<OwnDatabase | undefined> {
  const [row] = await catalog.query<OwnDatabase>(`select ${columns} from partywall.databases as d where d.move_id = $1`, [moveId])
  return row
}

/** A name that says nothing of anybody. */
export function drawDatabaseName(): string {
  return `pw_${randomBytes(12).toString('hex')}`
}

/**
 * Names of secrets that the login of a tenant's database may have: of the stock, of a move, and of the database with which the tenant
 * began. Those that are the tenant's own begin with its id, and go with it.
 */
export function loginSecretNames(tenantId: TenantId, database: string): readonly string[] {
  const names = [stockSecretName(database), moveSecretName(tenantId, database)]
  if (database === databaseNameOf(tenantId)) names.unshift(firstSecretName(tenantId))
  return [...names, ...names.map(auditSecretName)]
}

export function firstSecretName(tenantId: TenantId): string {
  return `tenant/${tenantId}/login`
}

/** Two databases of one tenant have two passwords. */
export function moveSecretName(tenantId: TenantId, database: string): string {
  return `tenant/${tenantId}/${database}/login`
}

/** Beside a login's password: the key with which processes prove that what the login appends to the audit log is theirs. */
export function auditSecretName(secretName: string): string {
  return `${secretName}/audit`
}

export function stockSecretName(database: string): string {
  return `stock/${database}/login`
}

/** Reserves the name in the catalog. A second reservation of the same is none. */
export async function reserveDatabase(
  catalog: ControlConnection,
  place: {
    readonly name: string
    readonly server: string
    readonly tenantId: TenantId | undefined
    readonly secretName: string
    readonly moveId?: string | undefined
  },
): Promise<void> {
  const { name, server, tenantId, secretName, moveId } = place
  await catalog.query(
    `insert into partywall.databases (name, server_name, database_name, holds, tenant_id, login, secret_name, move_id)
     values ($1, $2, $1, 'tenant', $3, $1, $4, $5)
         on conflict (name) do nothing`,
    [name, server, tenantId, secretName, moveId],
  )
  const found = await findOwnDatabase(catalog, name)
  if (found?.tenantId === (tenantId ?? null) && found.server === server && found.moveId === (moveId ?? null)) return
  throw new PlacementConflictError(`The name ${name} is another tenant's in the catalog, or on another server.`)
}

/** Makes the login and the database, empty of tenants. What is there already is gone on with. */
export async function makeDatabase(site: PlacementSite, templates: Templates, own: OwnDatabase): Promise<void> {
  const { name, server } = own
  // Before anything is made, so that nothing waits for a password that nobody has.
  const password = await ensurePassword(site, own.secretName)
  await site.onStep('secret')
  await told(() =>
    site.connections.asAdministrator(server, async (admin) => {
      const isNew = await ensureLogin(admin, own, password)
      await site.onStep('login')
      const found = await findInServer(admin, name)
      if (found !== undefined && isNew) throw conflict('database', own)
      if (found?.isInvalid === true) await admin.query(`drop database ${quoted(name)}`)
      if (found === undefined || found.isInvalid) {
        await templates.copy(server, name)
        await site.onStep('database')
      }
      if (found?.isOpen !== true) await openToItsLogin(admin, name)
    }),
  )
  await site.onStep('privileges')
}

/** Brings the tables to the current version. A copy of the template has it already. */
export async function migrateDatabase(site: PlacementSite, own: OwnDatabase): Promise<void> {
  await told(() =>
    site.connections.asMigrator(own.name, async (control) => {
      if ((await site.migrations.versionOf(control, appSchema)) !== site.migrations.version)
        await site.migrations.applyAll(control, appSchema)
    }),
  )
}

/** Says in the database itself whose it is. A database that is another's already is refused. */
export async function settleIn(site: PlacementSite, own: OwnDatabase, tenantId: TenantId, keys: TenantKeys): Promise<void> {
  const auditKey = await ensurePassword(site, auditSecretName(own.secretName))
  await told(() =>
    site.connections.asMigrator(own.name, (control) =>
      control.transaction(async (connection) => {
        const others = await connection.query(
          `select from partywall.gates as g
            where g.tenant_id <> $1 and g.tenant_id > '${lastOfTheWall}'
            union all
           select from partywall.logins as l where l.tenant_id <> $1 or l.login <> $2::name`,
          [tenantId, own.name],
        )
        if (others.length > 0) throw conflict('database', own)
        await connection.query('select partywall.prepare_gate($1, $2, $3)', [tenantId, keys.bigint, keys.text])
        await connection.query('insert into partywall.logins (login, tenant_id) values ($2, $1) on conflict (login) do nothing', [
          tenantId,
          own.name,
        ])
        await connection.query('select partywall.set_audit_key($1, $2)', [own.name, Buffer.from(auditKey, 'base64url')])
      }),
    ),
  )
}

/** What is left of it on its server. */
export interface DatabaseRemains {
  readonly database: number
  readonly login: number
}

export async function databaseRemains(admin: ControlConnection, name: string): Promise<DatabaseRemains> {
  const [row] = await admin.query<DatabaseRemains>(
    `select (select count(*)::int from pg_catalog.pg_database as d where d.datname = $1) as database,
            (select count(*)::int from pg_catalog.pg_roles as r where r.rolname = $1) as login`,
    [name],
  )
  return row ?? { database: 0, login: 0 }
}

/** Drops the database with whoever is connected, and its login. @returns what was there. */
export async function dropDatabase(site: PlacementSite, own: OwnDatabase): Promise<DatabaseRemains> {
  const { name, server } = own
  await site.connections.letGo(name)
  return await told(() =>
    site.connections.asAdministrator(server, async (admin) => {
      const before = await databaseRemains(admin, name)
      // The mark is on the login, so the login goes last: a run that was killed in between knows its own again.
      if (before.login === 0 && before.database === 0) return before
      if ((await markOf(admin, name)) !== noteOf(own)) throw conflict('login', own)
      if (before.database > 0) {
        await admin.query(`drop database if exists ${quoted(name)} with (force)`)
        await site.onStep('database dropped')
      }
      await admin.query(`drop role if exists ${quoted(name)}`)
      return before
    }),
  )
}

async function ensurePassword(site: PlacementSite, secretName: string): Promise<string> {
  const kept = await site.secrets.get(secretName)
  if (kept !== undefined) return kept
  const password = randomBytes(32).toString('base64url')
  await site.secrets.put(secretName, password)
  return password
}

/** @returns whether it was made now. */
async function ensureLogin(admin: ControlPool, own: OwnDatabase, password: string): Promise<boolean> {
  const login = quoted(own.name)
  const before = await markOf(admin, own.name)
  if (before === noteOf(own)) return false
  if (before !== undefined) throw conflict('login', own)
  // One message, and so one transaction: the login is there with its mark, its password and its limits, or not at all.
  await admin.query(`
    create role ${login} login inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls password '${scramVerifier(password)}';
    comment on role ${login} is ${pg.escapeLiteral(noteOf(own))};
    grant ${roles.tenants} to ${login};
    ${roleLimits(own.name)}`)
  return true
}

/** The mark says nothing of the tenant: everybody on the server can read it. */
function noteOf({ mark }: OwnDatabase): string {
  return `partywall: ${mark}`
}

/** @returns undefined when there is no such login; an empty text when it has no mark. */
async function markOf(admin: ControlConnection, name: string): Promise<string | undefined> {
  const [row] = await admin.query<{ mark: string | null }>(
    `select shobj_description(r.oid, 'pg_authid') as mark from pg_catalog.pg_roles as r where r.rolname = $1`,
    [name],
  )
  return row === undefined ? undefined : (row.mark ?? '')
}

interface FoundDatabase {
  readonly isOpen: boolean
  /** A DROP DATABASE that was interrupted leaves what can only be dropped again. */
  readonly isInvalid: boolean
}

async function findInServer(admin: ControlConnection, name: string): Promise<FoundDatabase | undefined> {
  const [row] = await admin.query<FoundDatabase>(
    `select d.datallowconn as "isOpen", d.datconnlimit = -2 as "isInvalid" from pg_catalog.pg_database as d where d.datname = $1`,
    [name],
  )
  return row
}

/** Privileges of a database are not copied with it. The last statement lets people in, and all are one transaction. */
async function openToItsLogin(admin: ControlConnection, name: string): Promise<void> {
  const database = quoted(name)
  await admin.query(`
    revoke all on database ${database} from public;
    grant connect on database ${database} to ${database}, ${roles.migrator};
    grant create, temporary on database ${database} to ${roles.owner};
    alter database ${database} with allow_connections true`)
}

function conflict(kind: 'database' | 'login', { name, server }: OwnDatabase): PlacementConflictError {
  return new PlacementConflictError(
    `There is a ${kind} ${name} on the server ${server} that was not made for this tenant. It was left as it is: see what it is, and whose.`,
    { details: { name, server } },
  )
}

/** @throws {ConfigurationError} when the catalog has no such database of a tenant's own. */
export function known(own: OwnDatabase | undefined, name: string): OwnDatabase {
  if (own !== undefined) return own
  throw new ConfigurationError(`There is no database ${name} in the catalog. Place the tenant first.`)
}
