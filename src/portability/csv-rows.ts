// Reads CSV as RFC 4180 has it, in bounded memory: a row that is wrong or too large is one bad row, and the next one is read.
// Fields that nobody quoted and that are empty are null.

import { TextDecoder } from 'node:util'
import { InvalidInputError } from '../errors.ts'
import { type FileRow, unreadable } from './file-row.ts'

export interface CsvRecord {
  readonly line: number
  readonly fields: readonly (string | null)[]
  readonly problem?: string | undefined
}

type State = 'start' | 'plain' | 'quoted' | 'closed'

/** Splits a text that comes in pieces into records. Line ends are CRLF or LF. */
export class CsvSplitter {
  readonly #lengthMax: number
  #state: State = 'start'
  #field = ''
  #fields: (string | null)[] = []
  #length = 0
  #line = 1
  #begunAt = 1
  #problem: string | undefined
  #isReturn = false

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax
  }

  /** Records that are whole. */
  *push(text: string): Generator<CsvRecord> {
    let from = 0
    while (from < text.length) {
      const to = this.#state === 'quoted' ? endOf(text, from, inQuotes) : endOf(text, from, special)
      if (to > from) this.#plain(text.slice(from, to))
      if (to === text.length) return
      const record = this.#take(text[to]!)
      if (record !== undefined) yield record
      from = to + 1
    }
  }

  /** The last record, when no line end follows it. */
  *end(): Generator<CsvRecord> {
    if (this.#state === 'quoted') this.#problem ??= 'A quoted field is not closed.'
    if (this.#isReturn) this.#plain('')
    if (this.#state !== 'start' || this.#fields.length > 0 || this.#problem !== undefined) yield this.#record()
  }

  #plain(text: string): void {
    if (this.#isReturn) this.#fail('A carriage return stands in a field without quotes.')
    if (this.#state === 'closed') this.#fail('Text follows the closing quote of a field.')
    if (this.#state === 'start' && text !== '') this.#state = 'plain'
    this.#grow(text)
  }

  #take(character: string): CsvRecord | undefined {
    if (character === '\n') {
      this.#line += 1
      if (this.#state === 'quoted') {
        this.#grow(character)
        return undefined
      }
      this.#isReturn = false
      return this.#record()
    }
    if (this.#isReturn) this.#fail('A carriage return stands in a field without quotes.')
    if (character === '"') this.#quote()
    else if (this.#state === 'quoted') this.#grow(character)
    else if (character === '\r') this.#isReturn = true
    else this.#endField()
    return undefined
  }

  #quote(): void {
    switch (this.#state) {
      case 'start':
        this.#state = 'quoted'
        break
      case 'quoted':
        this.#state = 'closed'
        break
      case 'closed':
        // A quote in a quoted field is two.
        this.#grow('"')
        this.#state = 'quoted'
        break
      default:
        this.#fail('A quote stands in a field that does not begin with one.')
    }
  }

  #endField(): void {
    if (this.#problem === undefined) this.#fields.push(this.#state === 'start' ? null : this.#field)
    this.#field = ''
    this.#state = 'start'
    this.#length += 1
  }

  #grow(text: string): void {
    this.#length += text.length
    if (this.#length > this.#lengthMax) this.#fail(`It is longer than ${this.#lengthMax} characters.`)
    else if (this.#problem === undefined) this.#field += text
  }

  #fail(problem: string): void {
    this.#problem ??= problem
    this.#field = ''
    this.#fields = []
  }

  #record(): CsvRecord {
    this.#endField()
    const record = { line: this.#begunAt, fields: this.#fields, problem: this.#problem }
    this.#fields = []
    this.#length = 0
    this.#problem = undefined
    this.#begunAt = this.#line
    return record
  }
}

const special = /[",\r\n]/g
const inQuotes = /["\n]/g

function endOf(text: string, from: number, pattern: RegExp): number {
  pattern.lastIndex = from
  return pattern.exec(text)?.index ?? text.length
}

/**
 * The rows of a CSV file, in pieces: what a chunk of it ends. Its first line names the columns.
 *
 * @throws {InvalidInputError} when there is no such line, it names a column twice, or the file is not UTF-8.
 */
export async function* csvRows(chunks: AsyncIterable<Uint8Array>, lengthMax: number): AsyncGenerator<readonly FileRow[]> {
  let columns: readonly string[] | undefined
  for await (const piece of records(chunks, lengthMax)) {
    const rows: FileRow[] = []
    for (const record of piece) {
      if (columns === undefined) columns = header(record)
      else {
        const row = rowOf(record, columns)
        if (row !== undefined) rows.push(row)
      }
    }
    if (rows.length > 0) yield rows
  }
  if (columns === undefined) throw new InvalidInputError('The file has no line that names the columns.')
}

/** Undefined for an empty line, which is a row of a table with one column and nothing in any other. */
function rowOf({ line, fields, problem }: CsvRecord, columns: readonly string[]): FileRow | undefined {
  if (problem !== undefined) return unreadable(line, problem)
  if (fields.length === columns.length) return { line, columns, cells: fields }
  if (fields.length === 1 && fields[0] === null) return undefined
  return unreadable(line, `It has ${fields.length} fields; the first line names ${columns.length} columns.`)
}

async function* records(chunks: AsyncIterable<Uint8Array>, lengthMax: number): AsyncGenerator<Iterable<CsvRecord>> {
  const splitter = new CsvSplitter(lengthMax)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decoded = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (error) {
      throw new InvalidInputError('The file is not UTF-8.', { cause: error })
    }
  }
  for await (const chunk of chunks) yield splitter.push(decoded(chunk))
  yield splitter.push(decoded())
  yield splitter.end()
}

function header({ fields, problem }: CsvRecord): readonly string[] {
  if (problem !== undefined) throw new InvalidInputError(`The line that names the columns cannot be read: ${problem}`)
  const columns = fields.map((name) => name ?? '')
  const twice = columns.find((name, i) => columns.indexOf(name) !== i)
  if (twice !== undefined) throw new InvalidInputError(`The first line names ${JSON.stringify(twice)} twice.`)
  return columns
}
