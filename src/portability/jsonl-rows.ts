// Reads JSON Lines in bounded memory: a line that is no object, or too long, is one bad row, and the next one is read.

import { TextDecoder } from 'node:util'
import { cellText } from './cell-text.ts'
import { parseExactly } from './exact-json.ts'
import { type FileRow, unreadable } from './file-row.ts'
import type { PortableColumn, PortableTable } from './portable-table.ts'

const lineFeed = 10
/** Lists of columns that are remembered. Rows that are all different are only slower. */
const shapesMax = 1_000

/** Rows in pieces: what a chunk of the file ends. */
export async function* jsonlRows(
  chunks: AsyncIterable<Uint8Array>,
  { columns }: Pick<PortableTable, 'columns'>,
  lineBytesMax: number,
): AsyncGenerator<readonly FileRow[]> {
  const reading: Reading = {
    known: new Map(columns.map((column) => [column.name, column])),
    shapes: new Map(),
    decoder: new TextDecoder('utf-8', { fatal: true }),
  }
  for await (const piece of lines(chunks, lineBytesMax)) {
    const rows: FileRow[] = []
    for (const { line, bytes } of piece) {
      const row = bytes === undefined ? unreadable(line, `The line is longer than ${lineBytesMax} bytes.`) : rowOf(line, bytes, reading)
      if (row !== undefined) rows.push(row)
    }
    if (rows.length > 0) yield rows
  }
}

interface Reading {
  readonly decoder: TextDecoder
  readonly known: ReadonlyMap<string, PortableColumn>
  readonly shapes: Map<string, readonly string[]>
}

/** Undefined for an empty line. */
function rowOf(line: number, bytes: Uint8Array, { decoder, known, shapes }: Reading): FileRow | undefined {
  let value: unknown
  try {
    const text = decoder.decode(bytes)
    if (text.trim() === '') return undefined
    value = parseExactly(text)
  } catch (error) {
    return unreadable(line, error instanceof SyntaxError ? `The line is not JSON: ${error.message}` : 'The line is not UTF-8.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return unreadable(line, 'The line is not an object.')
  const names = Object.keys(value)
  const cells: (string | null)[] = []
  for (const name of names) {
    const cell = cellText(known.get(name), (value as Record<string, unknown>)[name])
    if (typeof cell === 'object' && cell !== null) return { line, columns: [], cells: [], problem: cell.problem }
    cells.push(cell)
  }
  return { line, columns: shapeOf(names, shapes), cells }
}

function shapeOf(names: readonly string[], shapes: Map<string, readonly string[]>): readonly string[] {
  const key = names.join('\0')
  const found = shapes.get(key)
  if (found !== undefined) return found
  if (shapes.size < shapesMax) shapes.set(key, names)
  return names
}

interface Line {
  readonly line: number
  /** Undefined when there are too many of them. */
  readonly bytes: Uint8Array | undefined
}

async function* lines(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<readonly Line[]> {
  let begun: Uint8Array[] = []
  let [length, line] = [0, 1]
  const add = (piece: Uint8Array): void => {
    length += piece.byteLength
    if (length > bytesMax) begun = []
    else if (piece.byteLength > 0) begun.push(piece)
  }
  const taken = (): Line => {
    const bytes = length > bytesMax ? undefined : begun.length === 1 ? begun[0]! : Buffer.concat(begun)
    begun = []
    length = 0
    return { line: line++, bytes }
  }
  for await (const chunk of chunks) {
    const whole: Line[] = []
    let from = 0
    for (let to = chunk.indexOf(lineFeed); to !== -1; to = chunk.indexOf(lineFeed, from)) {
      add(chunk.subarray(from, to))
      whole.push(taken())
      from = to + 1
    }
    add(chunk.subarray(from))
    yield whole
  }
  if (length > 0) yield [taken()]
}
