// Writes one tenant's rows to a directory: a file for each table, a schema, and last the manifest, without which it is no export.

import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AbortedError, ConfigurationError, InvalidInputError } from '../errors.ts'
import { csvEncoder } from './csv-encoder.ts'
import { dataPackage } from './data-package.ts'
import { makeExportDirectory, writeExportFile } from './export-file.ts'
import { jsonlEncoder } from './jsonl-encoder.ts'
import { type Manifest, type ManifestTable, manifestFile, manifestVersion, schemaFile } from './manifest.ts'
import { parquetEncoder } from './parquet-encoder.ts'
import type { ExportFormat, PortableTable, RowTexts } from './portable-table.ts'
import type { OpenEncoder } from './row-encoder.ts'

/** One tenant's rows as of one moment. Whoever made it has seen to it that they are nobody else's. */
export interface TenantRows {
  readonly tenant: string
  readonly takenAt: Date
  readonly snapshot: string
  readonly tables: readonly PortableTable[]
  /** The rows of a table in pieces of bounded size. One table at a time. */
  rows(table: PortableTable): AsyncIterable<readonly RowTexts[]>
}

export interface WriteExportOptions {
  /** A directory. It is made when it is not there; files of an earlier export are replaced. */
  readonly to: string
  /** Default `jsonl`. */
  readonly format?: ExportFormat | undefined
  /** These tables alone. Default: all. */
  readonly tables?: readonly string[] | undefined
  /** Compress with gzip. Parquet is compressed already. */
  readonly compress?: boolean | undefined
  /** CSV: put a ' before what a spreadsheet would take for a formula. Default: no. */
  readonly guardFormulas?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined
}

/** How far an export is. */
export interface ExportProgress {
  readonly table: string
  /** Rows of this table that are written. */
  readonly rows: number
  /** Rows of all tables that are written. */
  readonly rowsInAll: number
}

/** What was written. */
export interface WrittenExport {
  /** The path of the manifest. */
  readonly manifest: string
  /** Of the manifest, in hexadecimal digits. */
  readonly sha256: string
  readonly tables: readonly ManifestTable[]
  readonly rows: number
  readonly bytes: number
}

/**
 * @throws {ConfigurationError} for options that contradict each other.
 * @throws {InvalidInputError} when a table is asked for that is not there, or a value has no place in the format.
 * @throws {AbortedError} when the signal fires: what is there then has no manifest.
 */
export async function exportTenant(source: TenantRows, options: WriteExportOptions): Promise<WrittenExport> {
  const { to, format = 'jsonl', compress = false, guardFormulas = false, signal } = options
  if (format === 'parquet' && compress) throw new ConfigurationError('Parquet is compressed already: leave compress away.')
  if (format !== 'csv' && guardFormulas) throw new ConfigurationError('Only CSV is guarded against formulas.')
  const tables = chosen(source.tables, options.tables)
  const names = fileNames(tables, `.${format}${compress ? '.gz' : ''}`)
  await makeExportDirectory(to)
  // Files and an older manifest do not belong together: from now on it is no export until it is whole.
  await rm(join(to, manifestFile), { force: true })
  const files: ManifestTable[] = []
  let rowsInAll = 0
  for (const table of tables) {
    let rows = 0
    const told = (count: number): void => {
      rows += count
      rowsInAll += count
      options.onProgress?.({ table: table.name, rows, rowsInAll })
    }
    const file = names.get(table.name)!
    const chunks = encoded(source.rows(table), encoderOf(format, guardFormulas)(table), told)
    const written = await stoppable(table, signal, () => writeExportFile(join(to, file), chunks, { compress, signal }))
    files.push({ table: table.name, file, rows, ...written })
  }
  return await finish(source, { to, format, guardFormulas, tables, files })
}

async function finish(
  { tenant, takenAt: moment, snapshot }: TenantRows,
  written: {
    readonly to: string
    readonly format: ExportFormat
    readonly guardFormulas: boolean
    readonly tables: readonly PortableTable[]
    readonly files: readonly ManifestTable[]
  },
): Promise<WrittenExport> {
  const { to, format, guardFormulas, tables, files } = written
  const takenAt = moment.toISOString()
  const schema = await writeExportFile(join(to, schemaFile), json(dataPackage({ format, tenant, takenAt, tables, files })))
  const manifest: Manifest = {
    version: manifestVersion,
    tenant,
    takenAt,
    snapshot,
    format,
    guardFormulas,
    schema: { file: schemaFile, sha256: schema.sha256 },
    tables: files,
  }
  const path = join(to, manifestFile)
  const { sha256 } = await writeExportFile(path, json(manifest))
  const sum = (of: (file: ManifestTable) => number): number => files.reduce((total, file) => total + of(file), 0)
  return { manifest: path, sha256, tables: files, rows: sum(({ rows }) => rows), bytes: sum(({ bytes }) => bytes) }
}

async function stoppable<T>(table: PortableTable, signal: AbortSignal | undefined, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    if (signal?.aborted !== true) throw error
    throw new AbortedError(`The export stopped in ${table.name}. Repeat it: it begins anew.`, { cause: error })
  }
}

async function* encoded(
  pieces: AsyncIterable<readonly RowTexts[]>,
  encoder: ReturnType<OpenEncoder>,
  told: (rows: number) => void,
): AsyncGenerator<Uint8Array> {
  yield encoder.begin()
  for await (const rows of pieces) {
    yield encoder.encode(rows)
    told(rows.length)
  }
  yield encoder.end()
}

function encoderOf(format: ExportFormat, guardFormulas: boolean): OpenEncoder {
  switch (format) {
    case 'jsonl':
      return jsonlEncoder
    case 'csv':
      return (table) => csvEncoder(table, { guardFormulas })
    case 'parquet':
      return parquetEncoder
  }
}

function chosen(tables: readonly PortableTable[], wanted: readonly string[] | undefined): readonly PortableTable[] {
  if (wanted === undefined) return tables
  const missing = wanted.filter((name) => tables.every((table) => table.name !== name))
  if (missing.length > 0) {
    throw new InvalidInputError(`The tenant has no table ${missing.join(', ')}. It has ${tables.map(({ name }) => name).join(', ')}.`)
  }
  return tables.filter(({ name }) => wanted.includes(name))
}

/** Each table's own, whatever its name has that a file system does not take or tell apart. */
function fileNames(tables: readonly PortableTable[], ending: string): ReadonlyMap<string, string> {
  const plain = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 100)
  const names = tables.map(({ name }) => [
    name,
    tables.filter((other) => plain(other.name).toLowerCase() === plain(name).toLowerCase()).length > 1
      ? `${plain(name)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
      : plain(name),
  ])
  return new Map(names.map(([name, file]) => [name!, `${file}${ending}`]))
}

function json(value: object): readonly Uint8Array[] {
  return [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)]
}
