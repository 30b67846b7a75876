// Values of single columns changed in the text that COPY writes, on its way: another tenant's key, a masked name. Pure: bytes in, bytes
// out, a few rows at a time. https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".

import { InvalidInputError } from '../../errors.ts'

/** The new value of a column from the one that was there; null is SQL's NULL. */
export type RewriteValue = (value: string | null) => string | null

const newline = 0x0a
const tab = 0x09

/**
 * Rewrites columns of rows in COPY's text form. Bytes of other columns pass as they are.
 *
 * @param columns In the order of the text.
 * @param rewrites By column; a name that is none of the columns is refused.
 * @throws {InvalidInputError} when a row has another number of columns, or is not what COPY writes. No value is in the message.
 */
export async function* rewriteCopyText(
  source: AsyncIterable<Buffer>,
  columns: readonly string[],
  rewrites: ReadonlyMap<string, RewriteValue>,
): AsyncGenerator<Buffer, void, undefined> {
  for (const name of rewrites.keys()) {
    if (!columns.includes(name)) throw new InvalidInputError(`There is no column ${JSON.stringify(name)} to rewrite.`)
  }
  const perColumn = columns.map((name) => rewrites.get(name))
  for await (const block of wholeRows(source)) {
    const lines: Buffer[] = []
    for (let from = 0; from < block.length; ) {
      const end = block.indexOf(newline, from) + 1
      lines.push(rewriteLine(block.subarray(from, end), perColumn))
      from = end
    }
    yield Buffer.concat(lines)
  }
}

/**
 * The same bytes in blocks that end where a row ends; every row ends with a newline. A newline within a value is escaped, so that each
 * is the end of a row. A row may be long (PostgreSQL has a gigabyte in a value at most), and is held whole.
 */
export async function* wholeRows(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let begun: Buffer[] = []
  for await (const chunk of source) {
    const end = chunk.lastIndexOf(newline) + 1
    if (end > 0) yield begun.length === 0 ? chunk.subarray(0, end) : Buffer.concat([...begun, chunk.subarray(0, end)])
    if (end > 0) begun = []
    if (end < chunk.length) begun.push(chunk.subarray(end))
  }
  // The last line of a file that somebody has edited may have lost its newline: it is a row all the same.
  if (begun.length > 0) yield Buffer.concat([...begun, Buffer.from('\n')])
}

/** Rows in blocks that end where a row ends. */
export function rowsIn(block: Buffer): number {
  let rows = 0
  for (let at = block.indexOf(newline); at >= 0; at = block.indexOf(newline, at + 1)) rows += 1
  return rows
}

/** The value of a field, as COPY writes it. */
export function copyValue(field: string): string | null {
  if (field === '\\N') return null
  if (!field.includes('\\')) return field
  return field.replace(/\\([\s\S]?)/g, (_, escaped: string) => {
    const value = unescaped[escaped]
    if (value === undefined) throw new InvalidInputError('A field has an escape that COPY does not write.')
    return value
  })
}

/** A value as a field. */
export function copyField(value: string | null): string {
  if (value === null) return '\\N'
  if (value.includes('\0')) throw new InvalidInputError('A value has a NUL character, which PostgreSQL has not.')
  return value.replace(/[\b\f\n\r\t\v\\]/g, (character) => `\\${escapes[character]}`)
}

const escapes: Readonly<Record<string, string>> = { '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v', '\\': '\\' }
const unescaped: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(escapes).map(([plain, letter]) => [letter, plain]))

function rewriteLine(line: Buffer, perColumn: readonly (RewriteValue | undefined)[]): Buffer {
  const pieces: Buffer[] = []
  // A tab within a value is escaped, so that every tab is the end of a field.
  let from = 0
  let kept = 0
  for (const [i, rewrite] of perColumn.entries()) {
    const isLast = i === perColumn.length - 1
    const end = isLast ? line.length - 1 : line.indexOf(tab, from)
    if (end < 0 || (isLast && line.indexOf(tab, from) >= 0)) {
      throw new InvalidInputError(`A row has not the ${perColumn.length} columns that it should have.`)
    }
    if (rewrite !== undefined) {
      pieces.push(line.subarray(kept, from), Buffer.from(copyField(rewrite(copyValue(line.toString('utf8', from, end))))))
      kept = end
    }
    from = end + 1
  }
  return pieces.length === 0 ? line : Buffer.concat([...pieces, line.subarray(kept)])
}
