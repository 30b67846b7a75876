// What turns rows into the bytes of a file. One for each format; a file is one encoder's.

import type { PortableTable, RowTexts } from './portable-table.ts'

export interface RowEncoder {
  /** What stands before the first row. */
  begin(): Uint8Array
  /** Bytes that are ready. A format that writes rows in groups keeps a bounded number of them back. */
  encode(rows: readonly RowTexts[]): Uint8Array
  /** The rest. Nothing may follow. */
  end(): Uint8Array
}

export type OpenEncoder = (table: PortableTable) => RowEncoder

/** Nothing to write. */
export const noBytes: Uint8Array = new Uint8Array(0)
