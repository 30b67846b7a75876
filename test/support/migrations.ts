// A database, a directory of migrations that a test writes, and schemas of tenants' own beside the shared one.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type AppliedMigration, type ApplyOptions, applyMigrations } from '../../src/postgres/migrations/apply-migrations.ts'
import { type MigrationSet, readMigrations } from '../../src/postgres/migrations/migration-set.ts'
import { type TestDatabase, testDatabase } from './database.ts'

export interface MigrationStage {
  readonly database: TestDatabase
  /** The migrator's. */
  readonly pool: ControlPool
  /** Writes a file of the set. */
  write(file: string, text: string): Promise<void>
  remove(file: string): Promise<void>
  read(): Promise<MigrationSet>
  apply(schema?: string, options?: ApplyOptions): Promise<readonly AppliedMigration[]>
  /** Makes empty schemas that belong to the owner. */
  schemas(...names: readonly string[]): Promise<void>
}

export async function migrationStage(t: TestContext): Promise<MigrationStage> {
  const database = await testDatabase(t)
  const pool = new ControlPool({ connectionString: database.urls.migrator, applicationName: 'test-migrator', connectionsMax: 4 })
  t.after(() => pool.close())
  const path = await mkdtemp(join(tmpdir(), 'partywall-migrations-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const read = () => readMigrations(pathToFileURL(path))
  return {
    database,
    pool,
    read,
    write: (file, text) => writeFile(join(path, file), text),
    remove: (file) => rm(join(path, file)),
    apply: async (schema = 'app', options = {}) => await applyMigrations(pool, schema, await read(), options),
    schemas: async (...names) => {
      for (const name of names) await pool.query(`create schema "${name}"`)
    },
  }
}

/** A sound table, behind the wall. */
export function tableSql(name: string, columns = ''): string {
  return `create table ${name} (tenant_id uuid not null, id uuid not null${columns}, primary key (tenant_id, id));\nselect partywall.protect('${name}');\n`
}
