// What each schema of a database has been through, as the database itself keeps it: partywall.ledger (sql/wall/0005-ledger.sql).

import { MigrationError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { MigrationFile, MigrationSet } from './migration-set.ts'

/** One migration that a schema has. */
export interface LedgerRow {
  readonly schema: string
  readonly version: string
  readonly file: string
  readonly sha256: string
  readonly appliedAt: Date
  readonly durationMs: number
  readonly appliedBy: string
}

/** How far a schema is. */
export interface SchemaVersion {
  readonly schema: string
  /** The newest migration that it has. */
  readonly version: string
  /** How many it has. */
  readonly count: number
}

/** What these schemas have, in the order of the versions. */
export async function readLedger(connection: ControlConnection, schemas: readonly string[]): Promise<readonly LedgerRow[]> {
  return await connection.query<LedgerRow>(
    `select l.schema_name as schema, l.version, l.file, l.sha256, l.applied_at as "appliedAt", l.duration_ms as "durationMs",
            l.applied_by as "appliedBy"
       from partywall.ledger as l
      where l.schema_name = any ($1)
      order by l.schema_name, l.version`,
    [schemas],
  )
}

/** How far every schema of this database is: one query, however many there are. A schema without any migration is not in it. */
export async function schemaVersions(connection: ControlConnection): Promise<readonly SchemaVersion[]> {
  return await connection.query<SchemaVersion>(
    `select l.schema_name as schema, max(l.version) as version, count(*)::integer as count
       from partywall.ledger as l
      group by l.schema_name
      order by l.schema_name`,
  )
}

/** Where a schema of this database has a migration that is not what the set has under that version: one query, at most 100 rows. */
export async function alteredMigrations(connection: ControlConnection, set: MigrationSet): Promise<readonly LedgerRow[]> {
  return await connection.query<LedgerRow>(
    `select l.schema_name as schema, l.version, l.file, l.sha256, l.applied_at as "appliedAt", l.duration_ms as "durationMs",
            l.applied_by as "appliedBy"
       from partywall.ledger as l
      where (l.version, l.sha256) not in (select s.version, s.sha256 from unnest($1::text[], $2::text[]) as s (version, sha256))
      order by l.schema_name, l.version
      limit 100`,
    [set.files.map((file) => file.version), set.files.map((file) => file.sha256)],
  )
}

/**
 * The files that a schema lacks, up to and with the version `to`.
 *
 * @throws {MigrationError} when the ledger and the set contradict each other: a file was changed, is gone, or comes too late.
 */
export function pendingFiles(set: MigrationSet, ledger: readonly LedgerRow[], to?: string): readonly MigrationFile[] {
  const files = new Map(set.files.map((file) => [file.version, file]))
  for (const row of ledger) {
    const file = files.get(row.version)
    if (file === undefined) {
      throw contradiction(row, `${row.file} was applied to ${row.schema} and is not here. Does a newer version of the application migrate?`)
    }
    if (file.sha256 !== row.sha256) {
      throw contradiction(
        row,
        `${file.file} was applied to ${row.schema} with another content. Put it back as it was, and write a new file for the change.`,
      )
    }
  }
  const applied = new Set(ledger.map((row) => row.version))
  const newest = ledger.at(-1)
  const pending = set.files.filter((file) => !applied.has(file.version))
  const late = pending.find((file) => newest !== undefined && file.version < newest.version)
  if (newest !== undefined && late !== undefined) {
    throw contradiction(
      { ...late, schema: newest.schema },
      `${late.file} comes before ${newest.file}, which ${newest.schema} has already. Give it a number after that.`,
    )
  }
  return to === undefined ? pending : pending.filter((file) => file.version <= to)
}

function contradiction(
  about: { readonly version: string; readonly file: string; readonly schema: string },
  message: string,
): MigrationError {
  return new MigrationError(message, { details: { version: about.version, file: about.file, schema: about.schema } })
}
