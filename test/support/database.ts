// A database of its own for a test: a copy of the template, in about 50 ms, with partywall installed and nothing in it.
// Roles are shared by all databases of the server: a test that changes a role must not (make one of your own, or restore it).

import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type ServerKind, stopOwnServers, testServer } from './server.ts'
import { passwords, templateName, urlFor, wallTemplateName } from './template.ts'

export interface TestDatabase {
  readonly name: string
  readonly urls: { readonly superuser: string; readonly migrator: string; readonly gatekeeper: string; readonly app: string }
  /** Runs statements as the superuser, who sees every row: the ground truth. */
  readonly superuser: ControlPool
  /** The same, where unqualified names mean the tables of a schema. */
  superuserIn(schema: string): ControlPool
}

/** Whoever has a name and an end: a TestContext. */
export interface Scope {
  readonly name?: string
  after?(fn: () => void): void
}

interface Lent {
  readonly database: TestDatabase
  readonly server: ControlPool
  readonly inSchemas: Map<string, ControlPool>
  readonly user: string
  /** A role that is dropped with the database. */
  readonly login: string | undefined
}

const lent = new Set<Lent>()
const finished = new Set<Lent>()
const leaks: string[] = []

/**
 * A fresh database. It is dropped when the test and its hooks are over, at the latest at the end of the file; a test that
 * leaves a connection open fails the file. In a `before` hook, call it without a scope: the database then lasts for the file.
 */
export async function testDatabase(scope: Scope = {}): Promise<TestDatabase> {
  return await lend(scope, { kind: 'catalog', template: templateName })
}

/** One with the wall alone, for tenants; the same in everything else. */
export async function wallDatabase(
  scope: Scope = {},
  options: {
    readonly kind?: ServerKind | undefined
    /** Default: a name like any test's. */
    readonly name?: string | undefined
    /** A role that goes when the database has gone. */
    readonly login?: string | undefined
  } = {},
): Promise<TestDatabase> {
  return await lend(scope, { kind: 'catalog', template: wallTemplateName, ...options })
}

async function lend(
  scope: Scope,
  made: {
    readonly kind?: ServerKind | undefined
    readonly template: string
    readonly name?: string | undefined
    readonly login?: string | undefined
  },
): Promise<TestDatabase> {
  await dropFinished()
  const { superuserUrl } = await testServer(made.kind)
  const { template, name = `test_${randomBytes(6).toString('hex')}` } = made
  const server = new ControlPool({ connectionString: superuserUrl, applicationName: 'test-server', connectionsMax: 1 })
  // Closed until its privileges are set: other tests look at who may connect where.
  await server.query(`create database ${name} template ${template} strategy wal_log allow_connections false`)
  // Privileges and settings of a database are not part of its files: they are copied by hand.
  await server.query(
    'update pg_catalog.pg_database set datacl = t.datacl, datdba = t.datdba from pg_catalog.pg_database t where pg_database.datname = $1 and t.datname = $2',
    [name, template],
  )
  await server.query(
    `insert into pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
     select clone.oid, setting.setrole, setting.setconfig
     from pg_catalog.pg_database clone, pg_catalog.pg_db_role_setting setting
     join pg_catalog.pg_database template on template.oid = setting.setdatabase
     where clone.datname = $1 and template.datname = $2`,
    [name, template],
  )
  await server.query(`alter database ${name} with allow_connections true`)
  const login = (role: keyof typeof passwords) => urlFor(superuserUrl, name, { name: `partywall_${role}`, password: passwords[role] })
  const superuser = urlFor(superuserUrl, name)
  const open = (connectionString: string): ControlPool =>
    new ControlPool({ connectionString, applicationName: 'test-superuser', statementTimeoutMs: 60_000 })
  const inSchemas = new Map<string, ControlPool>()
  const database: TestDatabase = {
    name,
    urls: { superuser, migrator: login('migrator'), gatekeeper: login('gatekeeper'), app: login('app') },
    superuser: open(superuser),
    superuserIn(schema) {
      const pool = inSchemas.get(schema) ?? open(`${superuser}?options=${encodeURIComponent(`-c search_path=${schema}`)}`)
      inSchemas.set(schema, pool)
      return pool
    },
  }
  const loan: Lent = { database, server, inSchemas, user: scope.name ?? 'the file', login: made.login }
  lent.add(loan)
  // Marked only: hooks run in the order in which they were registered, and the test's own, which close things, come later.
  scope.after?.(() => finished.add(loan))
  return database
}

after(async () => {
  for (const loan of lent) finished.add(loan)
  await dropFinished()
  await stopOwnServers()
  if (leaks.length > 0) throw new Error(`Connections were left open:\n${leaks.join('\n')}`)
})

async function dropFinished(): Promise<void> {
  for (const loan of finished) {
    finished.delete(loan)
    lent.delete(loan)
    const { database, server, inSchemas, login } = loan
    await database.superuser.close()
    for (const pool of inSchemas.values()) await pool.close()
    // A backend outlives its closed socket by a moment: the drop waits for it for up to five seconds, and then fails.
    const dropped = await server.query(`drop database ${database.name}`).catch((error: Error) => error)
    if (dropped instanceof Error) {
      const open = await server.query<{ login: string; application: string; query: string }>(
        'select usename as login, application_name as application, left(query, 80) as query from pg_catalog.pg_stat_activity where datname = $1',
        [database.name],
      )
      leaks.push(`${loan.user}: ${open.map((row) => `${row.login} (${row.application}) ${row.query}`).join('; ') || dropped.message}`)
      await server.query(`drop database if exists ${database.name} with (force)`)
    }
    if (login !== undefined) await server.query(`drop role if exists ${login}`)
    await server.close()
  }
}
