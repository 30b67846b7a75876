// Reads Parquet, through hyparquet: a row group at a time.

import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { InvalidInputError } from '../errors.ts'
import { type FileRow, unreadable } from './file-row.ts'
import { type ParquetColumn, type ParquetValue, parquetColumn } from './parquet-column.ts'
import type { PortableTable } from './portable-table.ts'

/** A group is in memory while it is read. Ours have 16 MiB; others write more. */
const groupBytesMax = 512 * 1024 * 1024

/**
 * The rows of a Parquet file, in its groups, that an export of ours wrote, or one of the same types.
 *
 * @throws {InvalidInputError} when it is no such file, a row group is too large, or a column has another type than ours would have.
 */
export async function* parquetRows(
  path: string,
  table: Pick<PortableTable, 'columns'>,
  rowBytesMax: number,
): AsyncGenerator<readonly FileRow[]> {
  const file = await asyncBufferFromFile(path)
  const metadata = await readable(() => parquetMetadataAsync(file))
  const columns = metadata.schema.slice(1).map(({ name }) => name)
  const known = new Map(table.columns.map((column) => [column.name, parquetColumn(column)]))
  assertTypes(metadata, known)
  const raw = physical(metadata)
  let start = 0
  for (const group of metadata.row_groups) {
    if (group.total_byte_size > groupBytesMax)
      throw new InvalidInputError(`A row group has ${group.total_byte_size} bytes, more than ${groupBytesMax}.`)
    const end = start + Number(group.num_rows)
    const rows = await readable(() => parquetReadObjects({ file, metadata: raw, rowStart: start, rowEnd: end, utf8: false, parsers }))
    const first = start + 1
    yield rows.map((row, i) => fileRow(row, { line: first + i, columns, known, rowBytesMax }))
    start = end
  }
}

/** Values as they lie in the file. Dates as the library makes them would lose microseconds. */
const parsers = {
  timestampFromMicroseconds: (micros: bigint) => micros,
  dateFromDays: (days: number) => days,
}

function fileRow(
  row: Record<string, ParquetValue>,
  reading: {
    readonly line: number
    readonly columns: readonly string[]
    readonly known: ReadonlyMap<string, ParquetColumn>
    readonly rowBytesMax: number
  },
): FileRow {
  const { line, columns, known, rowBytesMax } = reading
  const cells = columns.map((name) => {
    const value = row[name]
    return value === null || value === undefined ? null : (known.get(name)?.read(value) ?? String(value))
  })
  const length = cells.reduce((sum, cell) => sum + (cell?.length ?? 0), 0)
  return length > rowBytesMax ? unreadable(line, `The row is longer than ${rowBytesMax} characters.`) : { line, columns, cells }
}

/** A column of another type would be read as something that it is not. */
function assertTypes({ schema }: FileMetaData, known: ReadonlyMap<string, ParquetColumn>): void {
  for (const element of schema.slice(1)) {
    const wanted = known.get(element.name)?.element
    if (wanted === undefined) continue
    const said = (e: typeof element): string =>
      [e.type, e.converted_type ?? e.logical_type?.type, e.scale, (e.num_children ?? 0) > 0 ? 'group' : undefined].filter(Boolean).join(' ')
    if (said(element) !== said(wanted)) {
      throw new InvalidInputError(`The column ${element.name} is ${said(element)} in the file; for its table it would be ${said(wanted)}.`)
    }
  }
}

/** The same file without the names of types for which the library would compute in floating point. */
function physical(metadata: FileMetaData): FileMetaData {
  const plain = ({ converted_type, ...element }: FileMetaData['schema'][number]) =>
    converted_type === 'DECIMAL' || converted_type === undefined ? element : { ...element, converted_type }
  return { ...metadata, schema: metadata.schema.map(plain) }
}

async function readable<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    throw new InvalidInputError(`It is not a Parquet file that can be read: ${(error as Error).message}.`, { cause: error })
  }
}
