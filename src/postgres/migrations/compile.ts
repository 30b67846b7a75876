// Migrations as one text for each schema, for a runner that has thousands: one round trip does many schemas.

import pg from 'pg'
import { lockTimeoutMsDefault, statementTimeoutMsDefault } from './apply-file.ts'
import type { MigrationLimits } from './apply-migrations.ts'
import type { MigrationFile, MigrationSet } from './migration-set.ts'

/** Some files of a set, ready for any schema that is where they begin. */
export interface CompiledMigrations {
  /** The version that the schema must have; null for none. It is refused otherwise (PW012). */
  readonly from: string | null
  /** The version that it has afterwards. */
  readonly to: string
  readonly versions: readonly string[]
  /**
   * The text for one schema: a transaction for each file, with the settings, the wall's check and the ledger's row. Texts may be put
   * one after the other and sent as one query without parameters: what has been committed stays when a later one fails. The
   * ledger tells how far it came; `applyMigrations()` on the one that failed tells why.
   */
  text(schema: string): string
}

export interface CompileOptions extends MigrationLimits {
  readonly appliedBy?: string | undefined
}

/**
 * Compiles the files after `from`, up to and with `to`.
 *
 * @returns undefined when there are none, or when one of them cannot be sent as text: a step in TypeScript, a file without a transaction.
 */
export function compileMigrations(
  set: MigrationSet,
  from: string | null,
  to: string | undefined = set.newest,
  options: CompileOptions = {},
): CompiledMigrations | undefined {
  const files = set.files.filter(({ version }) => (from === null || version > from) && to !== undefined && version <= to)
  const last = files.at(-1)
  if (last === undefined || files.some((file) => file.statements === undefined || !file.directives.isTransactional)) return undefined
  const parts = files.map((file, index) => compileFile(file, files[index - 1]?.version ?? from, options))
  return {
    from,
    to: last.version,
    versions: files.map((file) => file.version),
    text: (schema) => {
      const name = pg.escapeIdentifier(schema)
      const literal = pg.escapeLiteral(schema)
      return parts.map((part) => part(name, literal)).join('')
    },
  }
}

function compileFile(file: MigrationFile, after: string | null, options: CompileOptions): (name: string, literal: string) => string {
  const { version, directives, sha256, text } = file
  const statementTimeoutMs = directives.statementTimeoutMs ?? options.statementTimeoutMs ?? statementTimeoutMsDefault
  const lockTimeoutMs = directives.lockTimeoutMs ?? options.lockTimeoutMs ?? lockTimeoutMsDefault
  const row = [version, file.file, sha256, options.appliedBy ?? 'partywall'].map((value) => pg.escapeLiteral(value)).join(', ')
  const before = after === null ? 'null' : pg.escapeLiteral(after)
  return (name, literal) =>
    `begin; set local statement_timeout = ${statementTimeoutMs}; set local search_path to ${name}, pg_temp;` +
    ` select partywall.begin_migration(${literal}, '${version}', ${before}); set local lock_timeout = ${lockTimeoutMs};\n` +
    // A comment may end the file.
    `${text}\n;select partywall.end_migration(${literal}, ${row}); commit;\n`
}
