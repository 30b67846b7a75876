// The databases that tests get copies of: partywall and the application's migrations are in them, made once for each content.
//
//   partywall_kit_<content>             finished: a template, which takes no connections
//   partywall_kit_<content>_draft       being built, by whoever holds the lock of that content
//   partywall_kit_<session>_<number>    a test's own, dropped at its end

import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigurationError } from '../../errors.ts'
import { type ControlConnection, ControlPool } from '../../postgres/control-pool.ts'
import { createPrivateDatabase, databaseUrl } from '../../postgres/database.ts'
import { installPartywall } from '../../postgres/install.ts'
import { logins } from '../../postgres/installation.ts'
import { applyMigrations } from '../../postgres/migrations/apply-migrations.ts'
import { type MigrationSet, readMigrations } from '../../postgres/migrations/migration-set.ts'
import { secureServer } from '../../postgres/placements/secure-server.ts'
import { appSchema } from '../../postgres/roles.ts'
import { sqlFiles } from '../../postgres/sql-files.ts'
import { quoted } from '../../postgres/table-shape.ts'

const buildLock = 7_305_804_405

/** The logins' passwords on a server of tests. */
export interface KitPasswords {
  readonly migrator: string
  readonly gatekeeper: string
  readonly app: string
}

export interface KitUrls extends KitPasswords {
  readonly superuser: string
}

/** Every process that works on a server must come to the same ones, and whoever does not have its superuser to none. */
export function passwordsFor(superuserUrl: string): KitPasswords {
  const secret = new URL(superuserUrl).password
  const password = (login: string): string => createHmac('sha256', `partywall kit ${secret}`).update(login).digest('base64url')
  return { migrator: password('migrator'), gatekeeper: password('gatekeeper'), app: password('app') }
}

/** A database of the server, by each login. */
export function urlsOf(superuserUrl: string, database: string): KitUrls {
  const passwords = passwordsFor(superuserUrl)
  const as = (login: keyof KitPasswords): string =>
    databaseUrl(superuserUrl, { database, login: { name: logins[login], password: passwords[login] } })
  return { superuser: databaseUrl(superuserUrl, { database }), migrator: as('migrator'), gatekeeper: as('gatekeeper'), app: as('app') }
}

/** The template for these migrations, built when it is not there. @returns its name. */
export async function ensureTemplate(server: ControlPool, superuserUrl: string, directory: URL | undefined): Promise<string> {
  const set = directory === undefined ? undefined : await readMigrations(directory)
  const name = `partywall_kit_${contentOf(set)}`
  await server.session(async (admin) => {
    // One at a time on a server, whatever the content: they set up the same roles. Who has waited finds the template made.
    await admin.query('select pg_advisory_lock($1)', [buildLock])
    try {
      const found = await admin.query('select from pg_catalog.pg_database as d where d.datname = $1 and d.datistemplate', [name])
      if (found.length === 0) {
        await build({ admin, superuserUrl, name, set }).catch(async (error) => {
          await admin.query(`drop database if exists ${quoted(`${name}_draft`)} with (force)`)
          throw error
        })
      }
    } finally {
      await admin.query('select pg_advisory_unlock($1)', [buildLock])
    }
  })
  return name
}

/** Makes a copy, about as fast as a database can be made. */
export async function copyTemplate(server: ControlConnection, template: string, name: string): Promise<void> {
  // Closed until its privileges are set. Privileges and settings of a database are not part of its files: they are copied by hand.
  await server.query(`create database ${quoted(name)} template ${quoted(template)} strategy wal_log allow_connections false`)
  await server.query(
    'update pg_catalog.pg_database set datacl = t.datacl, datdba = t.datdba, datallowconn = true from pg_catalog.pg_database t where pg_database.datname = $1 and t.datname = $2',
    [name, template],
  )
  await server.query(
    `insert into pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
     select clone.oid, setting.setrole, setting.setconfig
       from pg_catalog.pg_database as clone, pg_catalog.pg_db_role_setting as setting
       join pg_catalog.pg_database as template on template.oid = setting.setdatabase
      where clone.datname = $1 and template.datname = $2`,
    [name, template],
  )
}

async function build(options: {
  readonly admin: ControlConnection
  readonly superuserUrl: string
  readonly name: string
  readonly set: MigrationSet | undefined
}): Promise<void> {
  const { admin, superuserUrl, name, set } = options
  const draft = `${name}_draft`
  await admin.query(`drop database if exists ${quoted(draft)} with (force)`)
  await createPrivateDatabase(admin, draft, 'template1')
  const urls = urlsOf(superuserUrl, draft)
  const known = await admin.query('select from pg_catalog.pg_roles as r where r.rolname = any ($1)', [Object.values(logins)])
  // Roles belong to the whole server. Those of somebody else keep the passwords that they have.
  await secureServer(admin)
  await installPartywall({
    connectionString: urls.superuser,
    passwords: known.length === 0 ? passwordsFor(superuserUrl) : {},
    catalog: true,
  })
  const migrator = new ControlPool({ connectionString: urls.migrator, applicationName: 'partywall kit', statementTimeoutMs: 600_000 })
  try {
    await migrator.query('select').catch((cause: Error) => {
      throw new ConfigurationError(
        `This server has roles of partywall with passwords that the kit does not know. Give it a server of its own, or none. (${cause.message})`,
        { cause },
      )
    })
    if (set !== undefined) await applyMigrations(migrator, appSchema, set)
  } finally {
    await migrator.close()
  }
  await admin.query(`alter database ${quoted(draft)} with allow_connections false`)
  await admin.query(`select count(pg_terminate_backend(a.pid, 5000)) from pg_catalog.pg_stat_activity as a where a.datname = $1`, [draft])
  await admin.query(`alter database ${quoted(draft)} rename to ${quoted(name)}`)
  await admin.query(`alter database ${quoted(name)} with is_template true`)
}

function contentOf(set: MigrationSet | undefined): string {
  const content = createHash('sha256')
  for (const { file, sha256 } of set?.files ?? []) content.update(`${file} ${sha256}\n`)
  for (const { url } of sqlFiles(true)) content.update(readFileSync(url))
  return content.digest('hex').slice(0, 16)
}
