// What a server is, asked over its administrator's login, and whether it is fit to hold tenants. Changes nothing.

import { isIP } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { ServerRefusedError } from '../errors.ts'
import { ControlPool } from './control-pool.ts'
import { databaseUrl } from './database.ts'

/** A server, as it says itself. */
export interface ServerFacts {
  /** The one number that a server shares with its replicas, and with no other server. */
  readonly systemIdentifier: string
  /** As PostgreSQL numbers it: 180004 is 18.4. */
  readonly version: number
  readonly isReplica: boolean
  readonly isSuperuser: boolean
  readonly mayCreateRoles: boolean
  readonly mayCreateDatabases: boolean
  readonly walLevel: string
  readonly isEncrypted: boolean
  /** The server's clock less ours, in milliseconds; exact to half of `roundTripMs`. */
  readonly clockSkewMs: number
  readonly roundTripMs: number
}

/** One thing about a server. `refused`: it may hold no tenants until this is mended. */
export interface ServerFinding {
  readonly rule: string
  readonly severity: 'refused' | 'warning'
  readonly problem: string
  /** What mends it. */
  readonly fix: string
}

/** Oldest server that holds tenants. */
const versionMin = 150_000
/** Oldest server that takes part in live moves. */
const moveVersionMin = 160_000
/** Capabilities live by the server's own clock, so that skew harms nothing but dates; past this, somebody should look. */
const clockSkewMaxMs = 2_000

/** @throws {DatabaseUnavailableError} when the server cannot be reached, or refuses the login. */
export async function readServerFacts(adminUrl: string, clock: Clock, timeoutMs = 10_000): Promise<ServerFacts> {
  const control = new ControlPool({
    connectionString: databaseUrl(adminUrl, {}),
    applicationName: 'partywall server',
    connectionsMax: 1,
    connectTimeoutMs: timeoutMs,
    statementTimeoutMs: timeoutMs,
  })
  try {
    // The first question opens the connection; the second is the one that is timed.
    const [rights] = await control.query<Omit<ServerFacts, 'clockSkewMs' | 'roundTripMs'>>(
      `select (select c.system_identifier::text from pg_catalog.pg_control_system() as c) as "systemIdentifier",
              current_setting('server_version_num')::int as version, pg_catalog.pg_is_in_recovery() as "isReplica",
              r.rolsuper as "isSuperuser", r.rolsuper or r.rolcreaterole as "mayCreateRoles",
              r.rolsuper or r.rolcreatedb as "mayCreateDatabases", current_setting('wal_level') as "walLevel",
              coalesce((select s.ssl from pg_catalog.pg_stat_ssl as s where s.pid = pg_catalog.pg_backend_pid()), false) as "isEncrypted"
         from pg_catalog.pg_roles as r where r.rolname = current_user`,
    )
    const [sentAt, startedAt] = [clock.now(), clock.monotonic()]
    const [time] = await control.query<{ now: string }>('select extract(epoch from clock_timestamp()) * 1000 as now')
    const roundTripMs = clock.monotonic() - startedAt
    return { ...rights!, clockSkewMs: Math.round(Number(time!.now) - (sentAt + roundTripMs / 2)), roundTripMs }
  } finally {
    await control.close()
  }
}

/**
 * Everything that speaks against a server.
 *
 * @param options `allowUnencrypted`: passwords and rows may cross the network in the clear.
 */
export function serverFindings(
  facts: ServerFacts,
  host: string,
  options: { readonly allowUnencrypted?: boolean | undefined } = {},
): readonly ServerFinding[] {
  const { version } = facts
  const found: ServerFinding[] = []
  const refuse = (rule: string, problem: string, fix: string) => found.push({ rule, severity: 'refused', problem, fix })
  const warn = (rule: string, problem: string, fix: string) => found.push({ rule, severity: 'warning', problem, fix })
  if (facts.isReplica) refuse('replica', 'The server is a replica: nothing can be written there.', 'Give the URL of its primary.')
  if (version < versionMin) refuse('version', `PostgreSQL ${major(version)} is too old: 15 is the oldest.`, 'Upgrade the server.')
  else if (version < moveVersionMin)
    warn('version', `PostgreSQL ${major(version)} cannot take part in live moves.`, 'Upgrade the server to 16 or later.')
  if (!facts.mayCreateRoles) refuse('create-roles', 'The login may not create roles.', 'alter role <the login> createrole')
  if (!facts.mayCreateDatabases) refuse('create-databases', 'The login may not create databases.', 'alter role <the login> createdb')
  if (!facts.isSuperuser)
    warn(
      'superuser',
      'The login is no superuser: it cannot take dangerous functions from PUBLIC in new databases.',
      'Register a superuser, or the service’s own administrator, and read what the boot gate says.',
    )
  if (facts.walLevel !== 'logical')
    warn('wal-level', `wal_level is ${facts.walLevel}: tenants cannot be moved from here live.`, 'alter system set wal_level = logical')
  if (Math.abs(facts.clockSkewMs) > clockSkewMaxMs + facts.roundTripMs / 2)
    warn('clock', `The server’s clock is ${facts.clockSkewMs} ms off ours.`, 'Let both follow the same time servers.')
  if (!facts.isEncrypted && !isLocal(host)) {
    const problem = `The connection to ${host} is not encrypted.`
    if (options.allowUnencrypted === true) warn('tls', problem, 'Add sslmode=verify-full to the URL.')
    else refuse('tls', problem, 'Add sslmode=verify-full to the URL; or say allowUnencrypted, where the network itself is trusted.')
  }
  return found
}

/** @throws {ServerRefusedError} with every reason. */
export function assertFit(name: string, findings: readonly ServerFinding[]): void {
  const refused = findings.filter(({ severity }) => severity === 'refused')
  if (refused.length === 0) return
  const list = refused.map(({ rule, problem, fix }) => `  ${rule}: ${problem}\n    ${fix}`)
  throw new ServerRefusedError(`The server ${name} cannot hold tenants:\n${list.join('\n')}`, { details: { findings: refused } })
}

/** Does what is sent there stay on this machine? */
export function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('/') || (isIP(host) === 4 && host.startsWith('127.'))
}

function major(version: number): number {
  return Math.floor(version / 10_000)
}
