// The rows of a file of an export, whatever its format.

import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { InvalidInputError } from '../errors.ts'
import { unguarded } from './csv-encoder.ts'
import { csvRows } from './csv-rows.ts'
import { type FileRow, lineBytesMaxDefault } from './file-row.ts'
import { jsonlRows } from './jsonl-rows.ts'
import { parquetRows } from './parquet-rows.ts'
import type { ExportFormat, PortableTable } from './portable-table.ts'

export interface OpenRowsOptions {
  readonly format: ExportFormat
  /** Were texts guarded against spreadsheets? */
  readonly guardFormulas: boolean
  /** Default 16 MiB. */
  readonly lineBytesMax?: number | undefined
}

/** Rows in pieces of bounded size. Ends with the file; whoever stops before that closes it. */
export function openRows(path: string, table: PortableTable, options: OpenRowsOptions): AsyncGenerator<readonly FileRow[]> {
  const { format, guardFormulas, lineBytesMax = lineBytesMaxDefault } = options
  switch (format) {
    case 'jsonl':
      return jsonlRows(chunksOf(path), table, lineBytesMax)
    case 'csv': {
      const rows = csvRows(chunksOf(path), lineBytesMax)
      return guardFormulas ? withoutGuards(rows, table) : rows
    }
    case 'parquet':
      return parquetRows(path, table, lineBytesMax)
  }
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 })
  if (!path.endsWith('.gz')) {
    yield* file
    return
  }
  const plain = createGunzip()
  file.on('error', (error) => plain.destroy(error))
  try {
    yield* file.pipe(plain)
  } catch (error) {
    if (!String((error as { readonly code?: unknown }).code).startsWith('Z_')) throw error
    throw new InvalidInputError(`${path} cannot be unpacked: ${(error as Error).message}.`, { cause: error })
  } finally {
    file.destroy()
  }
}

async function* withoutGuards(pieces: AsyncIterable<readonly FileRow[]>, { columns }: PortableTable): AsyncGenerator<readonly FileRow[]> {
  const kinds = new Map(columns.map(({ name, kind }) => [name, kind]))
  for await (const rows of pieces) {
    yield rows.map((row) => ({
      ...row,
      cells: row.cells.map((text, i) => (text === null ? null : unguarded(kinds.get(row.columns[i]!) ?? 'text', text))),
    }))
  }
}
