// manifest.json: what an export consists of. Whoever gets the files can tell whether they are whole, and an import believes no file
// that is not as it says.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { InvalidInputError } from '../errors.ts'
import { type ExportFormat, exportFormats } from './portable-table.ts'

/** Grows when an older import could misread a newer export. */
export const manifestVersion = 2

export interface ManifestTable {
  /** Its name, without a schema. */
  readonly table: string
  readonly file: string
  readonly rows: number
  readonly bytes: number
  /** Of the file, in hexadecimal digits. */
  readonly sha256: string
}

export interface Manifest {
  readonly version: typeof manifestVersion
  /** Whose rows these are. */
  readonly tenant: string
  /** When they were as they are here: ISO 8601. */
  readonly takenAt: string
  /** PostgreSQL's name for that moment. */
  readonly snapshot: string
  readonly format: ExportFormat
  /** Were texts of the CSV files guarded against spreadsheets? */
  readonly guardFormulas: boolean
  /** The Data Package descriptor: columns, types, keys, references. */
  readonly schema: { readonly file: string; readonly sha256: string }
  readonly tables: readonly ManifestTable[]
}

/** The file's name in its directory. */
export const manifestFile = 'manifest.json'
export const schemaFile = 'datapackage.json'

/** A manifest is a list of names, whatever somebody sends. */
const manifestBytesMax = 16 * 1024 * 1024
const hexadecimal = /^[0-9a-f]{64}$/

/** A manifest that was read. */
export interface ReadManifest {
  readonly manifest: Manifest
  /** Of its bytes, in hexadecimal digits. */
  readonly sha256: string
}

/**
 * Reads and checks the manifest of a directory.
 *
 * @throws {InvalidInputError} when there is none, or it is not one that this version understands.
 */
export async function readManifest(directory: string): Promise<ReadManifest> {
  const path = join(directory, manifestFile)
  const text = await readFile(path).catch((error: unknown) => {
    throw new InvalidInputError(`There is no ${path} that can be read: ${(error as Error).message}.`, { cause: error })
  })
  if (text.byteLength > manifestBytesMax) throw refused(`it has ${text.byteLength} bytes, more than ${manifestBytesMax}`)
  return { manifest: checkedManifest(parsed(text.toString())), sha256: createHash('sha256').update(text).digest('hex') }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InvalidInputError(`${manifestFile} is not JSON: ${(error as Error).message}.`, { cause: error })
  }
}

function checkedManifest(value: unknown): Manifest {
  if (!isObject(value)) throw refused('it is no object')
  const { version, tenant, takenAt, snapshot, format, guardFormulas, schema, tables } = value
  if (version !== manifestVersion) throw refused(`its version is ${JSON.stringify(version)}; this partywall reads ${manifestVersion}`)
  if (typeof tenant !== 'string' || typeof takenAt !== 'string' || typeof snapshot !== 'string') {
    throw refused('tenant, takenAt and snapshot must be texts')
  }
  const known = exportFormats.find((name) => name === format)
  if (known === undefined) throw refused(`its format is ${JSON.stringify(format)}; it must be one of ${exportFormats.join(', ')}`)
  if (!isObject(schema)) throw refused('schema must name a file and its sha256')
  if (!Array.isArray(tables)) throw refused('tables must be a list')
  const checked = tables.map(checkedTable)
  for (const names of [checked.map(({ table }) => table), checked.map(({ file }) => file)]) {
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) throw refused(`${JSON.stringify(twice)} is there twice`)
  }
  return {
    version,
    tenant,
    takenAt,
    snapshot,
    format: known,
    guardFormulas: guardFormulas === true,
    schema: { file: fileName(schema['file']), sha256: hash(schema['sha256'], 'schema') },
    tables: checked,
  }
}

function checkedTable(value: unknown): ManifestTable {
  if (!isObject(value) || typeof value['table'] !== 'string') throw refused('each of the tables must have a name')
  const { table, file, rows, bytes, sha256 } = value
  if (!isCount(rows) || !isCount(bytes)) throw refused(`rows and bytes of ${JSON.stringify(table)} must be whole numbers`)
  return { table: table as string, file: fileName(file), rows, bytes, sha256: hash(sha256, table as string) }
}

/** A file beside the manifest, and nothing else that a path can lead to. */
function fileName(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.startsWith('.') || basename(value) !== value || /[\\\0]/.test(value)) {
    throw refused(`${JSON.stringify(value)} is not the name of a file beside it`)
  }
  return value
}

function hash(value: unknown, of: string): string {
  if (typeof value !== 'string' || !hexadecimal.test(value))
    throw refused(`the sha256 of ${JSON.stringify(of)} is not 64 hexadecimal digits`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function refused(why: string): InvalidInputError {
  return new InvalidInputError(`${manifestFile} is not the manifest of an export: ${why}.`)
}
