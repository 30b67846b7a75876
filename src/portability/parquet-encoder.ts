// Parquet, through hyparquet-writer. A row group is what is held in memory: it is bounded by rows and by bytes.

import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { type ParquetValue, parquetColumn } from './parquet-column.ts'
import type { PortableTable, RowTexts } from './portable-table.ts'
import { noBytes, type RowEncoder } from './row-encoder.ts'

/** Rows of a group, at most. Readers skip by groups, so that it is not small either. */
const groupRowsMax = 20_000
/** Characters of a group, at most (one row more). */
const groupLengthMax = 16 * 1024 * 1024

export function parquetEncoder({ columns }: Pick<PortableTable, 'columns'>): RowEncoder {
  const known = columns.map(parquetColumn)
  const writer = new ByteWriter()
  const schema = [{ name: 'root', num_children: known.length }, ...known.map(({ element }) => element)]
  const parquet = new ParquetWriter({ writer, schema, createdBy: 'partywall' })
  let group: ParquetValue[][] = known.map(() => [])
  let [rows, length] = [0, 0]

  // The writer counts on from where it was; what it has is taken from it.
  const taken = (): Uint8Array => {
    const ready = new Uint8Array(writer.buffer, 0, writer.index).slice()
    writer.index = 0
    return ready
  }
  const close = (): void => {
    if (rows === 0) return
    // Without a flush of its own a writer answers at once.
    void parquet.write({ columnData: known.map(({ element: { name } }, i) => ({ name, data: group[i] ?? [] })), rowGroupSize: rows })
    group = known.map(() => [])
    rows = 0
    length = 0
  }
  const add = (row: RowTexts): void => {
    for (let i = 0; i < known.length; i++) {
      const text = row[i] ?? null
      group[i]!.push(text === null ? null : known[i]!.write(text))
      length += text?.length ?? 0
    }
    rows += 1
    if (rows >= groupRowsMax || length >= groupLengthMax) close()
  }
  return {
    begin: () => noBytes,
    encode(given) {
      for (const row of given) add(row)
      return taken()
    },
    end() {
      close()
      void parquet.finish()
      return taken()
    },
  }
}
