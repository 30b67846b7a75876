// JSON Lines (https://jsonlines.org): one object for each row, UTF-8, ended by a line feed.
// Numbers that a reader's floating point would change (bigint, numeric) are strings, as I-JSON asks (RFC 7493, section 2.2).

import type { ColumnKind, PortableTable, RowTexts } from './portable-table.ts'
import { noBytes, type RowEncoder } from './row-encoder.ts'

export function jsonlEncoder({ columns }: Pick<PortableTable, 'columns'>): RowEncoder {
  const heads = columns.map(({ name }, i) => `${i === 0 ? '' : ','}${JSON.stringify(name)}:`)
  const writers = columns.map(({ kind }) => writerOf(kind))
  const line = (row: RowTexts): string => {
    let text = '{'
    for (let i = 0; i < heads.length; i++) {
      const value = row[i]
      text += heads[i]! + (value === null || value === undefined ? 'null' : writers[i]!(value))
    }
    return text
  }
  return {
    begin: () => noBytes,
    encode: (rows) => (rows.length === 0 ? noBytes : Buffer.from(`${rows.map(line).join('}\n')}}\n`)),
    end: () => noBytes,
  }
}

function writerOf(kind: ColumnKind): (text: string) => string {
  switch (kind) {
    case 'boolean':
    case 'integer':
    case 'json':
    case 'array':
      return (text) => text
    case 'float':
      // JSON has neither NaN nor infinity.
      return (text) => (/^[-0-9]/.test(text) && !text.endsWith('y') ? text : JSON.stringify(text))
    default:
      return JSON.stringify
  }
}
