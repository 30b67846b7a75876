// The roles, and what PostgreSQL itself must deny everybody. The only file that names the roles.
// owner (NOLOGIN) owns everything; migrator becomes it to run migrations; gatekeeper reads the catalog and issues
// capabilities; app runs the application's SQL, owns nothing and can become nobody. A tenant with a database of its own has a
// login of its own there, a member of tenants. doctor (NOLOGIN) is what the gatekeeper becomes to look at all of it, and the
// migrator where the gatekeeper may not connect: it reads PostgreSQL's catalogs and settings, and has no privilege on any tenant's
// table.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import pg from 'pg'
import { sharedSchema } from '../core/placement.ts'
import type { ControlConnection } from './control-pool.ts'

export const roles = Object.freeze({
  owner: 'partywall_owner',
  migrator: 'partywall_migrator',
  gatekeeper: 'partywall_gatekeeper',
  app: 'partywall_app',
  /** What logins of tenants' own may do with tables. It cannot log in, and may connect nowhere. */
  tenants: 'partywall_tenants',
  /** Reads catalogs, and what partywall says of itself. It cannot log in: the gatekeeper and the migrator become it. */
  doctor: 'partywall_doctor',
})

/** Schema of the application's tables where a tenant has none of its own. */
export const appSchema = sharedSchema

/** The search path of logins that run the application's statements, before a tenant is bound. */
export const loginSearchPath = `${appSchema}, pg_temp`

/** Passwords of the three logins. A login without one keeps the password it has. */
export interface RolePasswords {
  readonly migrator?: string | undefined
  readonly gatekeeper?: string | undefined
  readonly app?: string | undefined
}

/** Default limits of the app's login, in milliseconds. A lease may ask for less, never for more. */
export const appRoleLimits = Object.freeze({ statementTimeoutMs: 30_000, lockTimeoutMs: 10_000, idleInTransactionTimeoutMs: 60_000 })

/** How soon a statement whose caller is gone ends. A cancel can come before the statement has begun, and is then lost. */
const orphanCheckMs = 1_000

/** Creates the roles, or brings existing ones back to what they must be. Needs a superuser or CREATEROLE. */
export async function ensureRoles(admin: ControlConnection, passwords: RolePasswords): Promise<void> {
  await ensureRole(admin, roles.owner, 'nologin')
  await ensureRole(admin, roles.tenants, 'nologin')
  await ensureRole(admin, roles.doctor, 'nologin')
  for (const [name, password] of [
    [roles.migrator, passwords.migrator],
    [roles.gatekeeper, passwords.gatekeeper],
    [roles.app, passwords.app],
  ] as const) {
    await ensureRole(admin, name, 'login')
    // The verifier, not the password: what is logged or kept in statistics must not open the door.
    if (password !== undefined) await admin.query(`alter role ${name} password '${scramVerifier(password)}'`)
  }
  await admin.query(`grant ${roles.owner} to ${roles.migrator}`)
  await admin.query(`grant ${roles.doctor} to ${roles.gatekeeper}, ${roles.migrator}`)
  await admin.query(doctorSight)
  // Whatever a migration creates belongs to the owner, without a word in the migration.
  await admin.query(`alter role ${roles.migrator} set role = '${roles.owner}'`)
  await admin.query(roleLimits(roles.app))
}

/** SQL that gives a login which runs the application's statements its search path and its limits. */
export function roleLimits(login: string): string {
  const role = pg.escapeIdentifier(login)
  // Some operating systems cannot tell that a socket was closed; there PostgreSQL refuses the last setting.
  return `
    alter role ${role} set search_path = ${loginSearchPath};
    alter role ${role} set statement_timeout = ${appRoleLimits.statementTimeoutMs};
    alter role ${role} set lock_timeout = ${appRoleLimits.lockTimeoutMs};
    alter role ${role} set idle_in_transaction_session_timeout = ${appRoleLimits.idleInTransactionTimeoutMs};
    do $do$
    begin
      alter role ${role} set client_connection_check_interval = ${orphanCheckMs};
    exception when invalid_parameter_value then null;
    end
    $do$`
}

/**
 * Settings that PostgreSQL shows to few, as where it logs what. They are nobody's data. Where whoever installs may not grant that, as
 * on some managed servers, the doctor says what it cannot see.
 */
const doctorSight = `
  do $do$
  begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = '${roles.doctor}' and r.rolinherit) then
      -- So that what is granted to it, now or later, holds without SET ROLE.
      alter role ${roles.doctor} inherit;
    end if;
    begin
      grant pg_read_all_settings to ${roles.doctor};
    exception when insufficient_privilege then null;
    end;
  exception when insufficient_privilege then null;
  end
  $do$`

async function ensureRole(admin: ControlConnection, name: string, login: 'login' | 'nologin'): Promise<void> {
  const existing = await admin.query<{ unsafe: boolean }>(
    `select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or rolcanlogin <> $2 as unsafe
       from pg_catalog.pg_roles where rolname = $1`,
    [name, login === 'login'],
  )
  const first = existing[0]
  if (first === undefined) await admin.query(`create role ${name} ${login} nosuperuser nocreatedb nocreaterole noinherit`)
  // Without a superuser some attributes cannot be named at all, so they are named only when they are wrong.
  else if (first.unsafe) await admin.query(`alter role ${name} ${login} nosuperuser nobypassrls nocreatedb nocreaterole noreplication`)
}

/** Functions that would carry state, files or other people's statements past the wall. Matched by name, all overloads. */
export const deniedFunctions = [
  // Run SQL text inside a SELECT (T C17).
  'query_to_xml',
  'query_to_xmlschema',
  'query_to_xml_and_xmlschema',
  'cursor_to_xml',
  'cursor_to_xmlschema',
  'table_to_xml',
  'table_to_xmlschema',
  'table_to_xml_and_xmlschema',
  'schema_to_xml',
  'schema_to_xmlschema',
  'schema_to_xml_and_xmlschema',
  'database_to_xml',
  'database_to_xmlschema',
  'database_to_xml_and_xmlschema',
  'ts_stat',
  'ts_rewrite',
  // Large objects belong to a role, not to a tenant (T C15).
  'lo_creat',
  'lo_create',
  'lo_from_bytea',
  'lo_get',
  'lo_import',
  'lo_export',
  'lo_open',
  'lo_put',
  'lo_unlink',
  'loread',
  'lowrite',
  'lo_close',
  'lo_lseek',
  'lo_lseek64',
  'lo_tell',
  'lo_tell64',
  'lo_truncate',
  'lo_truncate64',
  // All tenants share one role: one could end or read another's statements (T D12, E18).
  'pg_cancel_backend',
  'pg_terminate_backend',
  'pg_stat_get_activity',
  'pg_stat_get_backend_activity',
  // Session locks outlive the lease; pg_advisory_xact_lock stays (T E12).
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_advisory_unlock',
  'pg_advisory_unlock_shared',
  'pg_advisory_unlock_all',
] as const

/** Takes from PUBLIC what the app's login must not have, and gives it back to the operator's own roles. Needs the functions' owner. */
export async function denyDangerousFunctions(admin: ControlConnection): Promise<void> {
  await admin.query(`
    do $do$
    declare
      f regprocedure;
    begin
      for f in
        select p.oid::regprocedure
          from pg_catalog.pg_proc as p
         where p.pronamespace = 'pg_catalog'::regnamespace
           and p.proname = any (array[${deniedFunctions.map((name) => `'${name}'`).join(', ')}])
           and has_function_privilege('${roles.app}', p.oid, 'execute')
      loop
        execute format('revoke execute on function %s from public', f);
        execute format('grant execute on function %s to ${roles.owner}, ${roles.migrator}, ${roles.gatekeeper}', f);
      end loop;
    end
    $do$`)
}

/** A SCRAM-SHA-256 verifier, as PostgreSQL stores it (RFC 5803; src/common/scram-common.c). */
export function scramVerifier(password: string): string {
  const iterations = 4096
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256')
  const storedKey = createHash('sha256').update(createHmac('sha256', salted).update('Client Key').digest()).digest('base64')
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
