// The application's own migrations: numbered SQL files, each run once, in order, in a transaction of its own, over the
// migrator's login. A file that was applied is never changed.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { ConfigurationError } from '../errors.ts'
import { type ControlConnection, ControlPool } from './control-pool.ts'
import { loginSearchPath } from './roles.ts'

export interface MigrationOptions {
  /** URL of the migrator's login. */
  readonly admin: string
  /** Where the files are: `NNNN-what-it-does.sql`. */
  readonly directory: URL
}

const filePattern = /^[0-9]{4}-[a-z0-9-]+\.sql$/
const migrationLock = 7_305_804_403
const statementTimeoutMs = 600_000

/**
 * Applies what has not been applied yet. Two at the same time take turns.
 *
 * @returns the files that were applied now.
 * @throws {ConfigurationError} when a file is misnamed, or one that was applied has another content. What a statement
 * raises passes through, and its file leaves nothing behind.
 */
export async function applyMigrations(options: MigrationOptions): Promise<readonly string[]> {
  const files = (await readdir(options.directory)).filter((file) => file.endsWith('.sql')).sort()
  const misnamed = files.find((file) => !filePattern.test(file))
  if (misnamed !== undefined) throw new ConfigurationError(`${misnamed} is not the name of a migration. Write 0001-what-it-does.sql.`)
  const pool = new ControlPool({
    connectionString: options.admin,
    applicationName: 'partywall migrations',
    connectionsMax: 1,
    statementTimeoutMs,
  })
  try {
    await pool.transaction(openRecord)
    const applied: string[] = []
    for (const file of files) {
      const text = await readFile(new URL(file, options.directory), 'utf8')
      if (await pool.transaction((connection) => applyOnce(connection, file, text))) applied.push(file)
    }
    return applied
  } finally {
    await pool.close()
  }
}

/** Behind the lock too: IF NOT EXISTS alone does not keep two that create at the same time from failing. */
async function openRecord(connection: ControlConnection): Promise<void> {
  await connection.query('select pg_advisory_xact_lock($1)', [migrationLock])
  await connection.query(
    `create table if not exists partywall.app_migrations (
       file text collate "C" primary key,
       sha256 text not null,
       applied_at timestamptz not null default clock_timestamp()
     )`,
  )
}

async function applyOnce(connection: ControlConnection, file: string, text: string): Promise<boolean> {
  await connection.query('select pg_advisory_xact_lock($1)', [migrationLock])
  const sha256 = createHash('sha256').update(text).digest('hex')
  const [before] = await connection.query<{ sha256: string }>('select m.sha256 from partywall.app_migrations as m where m.file = $1', [
    file,
  ])
  if (before?.sha256 === sha256) return false
  if (before !== undefined) {
    throw new ConfigurationError(`${file} was applied with another content. Put it back as it was, and write a new file for the change.`)
  }
  // Names without a schema are the application's: the same file serves every placement.
  await connection.query(`set local search_path = ${loginSearchPath}`)
  await connection.query(text)
  await connection.query('insert into partywall.app_migrations (file, sha256) values ($1, $2)', [file, sha256])
  return true
}
