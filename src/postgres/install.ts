// Installs partywall in a database: roles, schemas, the control plane's tables and functions. Idempotent: each SQL file runs
// once, in order, in a transaction of its own, and is recorded.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { ConfigurationError } from '../errors.ts'
import { admitFullText } from './full-text.ts'
import { makeObjectRecord, recordingObjects } from './record-objects.ts'
import { appSchema, denyDangerousFunctions, ensureRoles, type RolePasswords, roles } from './roles.ts'
import { sqlFiles } from './sql-files.ts'

export interface InstallOptions {
  /** A superuser's URL (or that of a login with CREATEROLE that owns the database). Used once, then forgotten. */
  readonly connectionString: string
  readonly passwords: RolePasswords
  /**
   * Take from PUBLIC, in this database, what lets one tenant reach another through PostgreSQL itself: CONNECT, TEMP, session
   * locks, large objects, query_to_xml, others' statements. Needs a superuser. Default true.
   */
  readonly harden?: boolean | undefined
  /** Is it the catalog's database, or one that only holds tenants? Default: the catalog's. */
  readonly catalog?: boolean | undefined
}

/** Oldest server that we support. */
const serverVersionMin = 150_000

const installLock = 7_305_804_402

/** @throws {ConfigurationError} when the server is too old, the login too weak, or a recorded file was changed afterwards. */
export async function installPartywall(options: InstallOptions): Promise<void> {
  const client = new pg.Client({ connectionString: options.connectionString, application_name: 'partywall install' })
  await client.connect()
  try {
    const admin = {
      query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
        (await client.query<Row>(text, [...values])).rows,
    }
    await admin.query('select pg_advisory_lock($1)', [installLock])
    const [server] = await admin.query<{ version: number; database: string; superuser: boolean }>(
      `select current_setting('server_version_num')::int as version, current_database() as database,
              (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as superuser`,
    )
    if (server === undefined || server.version < serverVersionMin) {
      throw new ConfigurationError(`PostgreSQL ${server?.version} is too old: partywall needs 15 or later.`)
    }
    await ensureRoles(admin, options.passwords)
    if (!server.superuser) await admin.query(`grant ${roles.owner} to current_user`)
    await openDatabase(admin.query, server.database, options.harden ?? true)
    if (options.harden ?? true) await denyDangerousFunctions(admin)
    await admitFullText(admin)
    await runFiles(client, options.catalog ?? true)
  } finally {
    await client.end()
  }
}

type Run = (text: string) => Promise<unknown>

/** Schemas, and who may enter. */
async function openDatabase(run: Run, database: string, harden: boolean): Promise<void> {
  const name = pg.escapeIdentifier(database)
  if (harden) await run(`revoke all on database ${name} from public`)
  await run(`grant connect on database ${name} to ${roles.migrator}, ${roles.gatekeeper}, ${roles.app}`)
  // TEMP is for migrations; the app has neither TEMP nor CREATE anywhere (T C16).
  await run(`grant create, temporary on database ${name} to ${roles.owner}`)
  await run('revoke create on schema public from public')
  await run(`create schema if not exists partywall authorization ${roles.owner}`)
  await run(`create schema if not exists ${appSchema} authorization ${roles.owner}`)
  await run(`grant usage on schema partywall, ${appSchema} to ${roles.app}, ${roles.gatekeeper}, ${roles.tenants}, ${roles.doctor}`)
  await run(`alter default privileges for role ${roles.owner} revoke execute on functions from public`)
}

async function runFiles(client: pg.Client, isCatalog: boolean): Promise<void> {
  await client.query(`set role ${roles.owner}`)
  await client.query(
    `create table if not exists partywall.migrations (
       file text collate "C" primary key,
       sha256 text not null,
       applied_at timestamptz not null default clock_timestamp()
     )`,
  )
  await client.query(`grant select on partywall.migrations to ${roles.doctor}`)
  const run = (text: string): Promise<unknown> => client.query(text)
  await makeObjectRecord(run)
  const applied = await client.query<{ file: string; sha256: string }>('select file, sha256 from partywall.migrations')
  const known = new Map(applied.rows.map((row) => [row.file, row.sha256]))
  const files = sqlFiles(isCatalog)
  const [stranger] = [...known.keys()].filter((name) => files.every(({ file }) => file !== name))
  for (const { file, url } of files) {
    const text = readFileSync(url, 'utf8')
    const sha256 = createHash('sha256').update(text).digest('hex')
    const before = known.get(file)
    if (before === sha256) continue
    if (before !== undefined) {
      throw new ConfigurationError(`${file} was applied to this database with another content: a released file is never changed.`)
    }
    // A newer partywall has all files of an older one: what this one does not know, it cannot build upon.
    if (stranger !== undefined) {
      throw new ConfigurationError(`This database has ${stranger} applied, which this partywall does not have, and it lacks ${file}.`)
    }
    await client.query('begin')
    try {
      await recordingObjects(run, () => client.query(text))
      await client.query('insert into partywall.migrations (file, sha256) values ($1, $2)', [file, sha256])
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      throw error
    }
  }
}
