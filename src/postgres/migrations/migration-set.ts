// The application's migrations, as they are in a directory: numbered files, of which one that was applied is never changed.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { ConfigurationError, MigrationError } from '../../errors.ts'
import { type MigrationDirectives, readDirectives } from './directives.ts'
import { refusals } from './lint/refusals.ts'
import { type SqlStatement, sqlStatements } from './sql-statements.ts'

/** One file of a set. */
export interface MigrationFile {
  /** The four digits of its name: `0012`. */
  readonly version: string
  /** Its name: `0012-what-it-does.sql`. */
  readonly file: string
  /** Of its text with line ends of one kind, so that a checkout on another system does not change it. */
  readonly sha256: string
  readonly url: URL
  readonly text: string
  readonly directives: MigrationDirectives
  /** Of a file in SQL; a TypeScript step has none. */
  readonly statements: readonly SqlStatement[] | undefined
}

/** All of an application's migrations, in order. */
export interface MigrationSet {
  readonly files: readonly MigrationFile[]
  /** The version of the last one; undefined in an empty set. */
  readonly newest: string | undefined
}

/** What a TypeScript step gets. It runs in the migration's transaction. */
export interface MigrationStep {
  /** The schema that is migrated. Unqualified names are found in it, and nowhere else. */
  readonly schema: string
  readonly signal: AbortSignal
  query<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
}

/** What the module of a TypeScript step exports. */
export interface MigrationModule {
  up(step: MigrationStep): Promise<void>
}

const filePattern = /^([0-9]{4})-[a-z0-9]+(-[a-z0-9]+)*\.(sql|ts)$/

/**
 * Reads a directory: `NNNN-what-it-does.sql`, and `NNNN-what-it-does.ts` for a step in TypeScript. Other kinds of files are left alone.
 * A gap between numbers is allowed.
 *
 * @throws {ConfigurationError} when there is no such directory, a file is misnamed, or two have one number.
 * @throws {MigrationError} when a file is not SQL, has a directive that is not known, or does what no migration may.
 */
export async function readMigrations(directory: URL): Promise<MigrationSet> {
  const base = directory.href.endsWith('/') ? directory : new URL(`${directory.href}/`)
  const found = await readdir(base).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The migrations cannot be read: ${cause.message}`, { cause })
  })
  const names = found.filter((name) => /\.(sql|ts)$/.test(name)).sort()
  const files: MigrationFile[] = []
  for (const name of names) {
    const version = filePattern.exec(name)?.[1]
    if (version === undefined) {
      throw new ConfigurationError(`${name} is not the name of a migration. Write 0001-what-it-does.sql, or .ts for a step in TypeScript.`)
    }
    const before = files.at(-1)
    if (before?.version === version)
      throw new ConfigurationError(`${before.file} and ${name} have one number. Give the later one the next.`)
    files.push(await readMigration(version, name, new URL(name, base)))
  }
  return { files, newest: files.at(-1)?.version }
}

async function readMigration(version: string, file: string, url: URL): Promise<MigrationFile> {
  const text = (await readFile(url, 'utf8')).replaceAll('\r\n', '\n')
  const sha256 = createHash('sha256').update(text).digest('hex')
  const directives = readDirectives(file, text)
  const isSql = file.endsWith('.sql')
  if (!isSql && !directives.isTransactional) {
    throw new MigrationError(`${file} is a step in TypeScript: it runs in a transaction. Write what cannot as a file in SQL.`, {
      details: { version, file },
    })
  }
  const statements = isSql ? await sqlStatements(text, file) : undefined
  const migration = { version, file, sha256, url, text, directives, statements }
  const [first] = refusals(migration)
  if (first === undefined) return migration
  throw new MigrationError(`${file}:${first.line}: ${first.problem} ${first.remedy}`, {
    details: { version, file, line: first.line, rule: first.rule },
  })
}
