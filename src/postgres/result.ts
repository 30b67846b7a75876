// Rows as pg gives them. The shape of a prepared statement's rows is learnt once and kept with it.

import pg from 'pg'

/** What a statement returned: the same fields as pg's own result. */
export interface QueryResult<Row = Record<string, unknown>> {
  /** The command's name, e.g. `SELECT`; an empty string for an empty statement. */
  readonly command: string
  /** Rows returned or affected; null where the command counts none. */
  readonly rowCount: number | null
  readonly oid: number | null
  readonly rows: Row[]
  readonly fields: pg.FieldDef[]
}

/** Type parsers, as pg takes them. */
export interface TypeParsers {
  getTypeParser(oid: number, format?: string): unknown
}

type ParseText = (value: string) => unknown

/** How to read the rows of one statement. */
export interface RowShape {
  readonly fields: pg.FieldDef[]
  readonly names: readonly string[]
  readonly parsers: readonly ParseText[]
}

export function rowShape(fields: pg.FieldDef[], types: TypeParsers | undefined): RowShape {
  const source = (types ?? pg.types) as TypeParsers
  return {
    fields,
    names: fields.map((field) => field.name),
    parsers: fields.map((field) => source.getTypeParser(field.dataTypeID, 'text') as ParseText),
  }
}

/** Reads a DataRow: two bytes with the number of columns, then of each its length (-1 for null) and its text. */
export function readObjectRow(shape: RowShape, buffer: Buffer, at: number): Record<string, unknown> {
  const { names, parsers } = shape
  const row: Record<string, unknown> = {}
  let from = at + 2
  for (let i = 0; i < names.length; i++) {
    const length = buffer.readInt32BE(from)
    from += 4
    const value = length < 0 ? null : parsers[i]!(buffer.toString('utf8', from, from + length))
    if (length > 0) from += length
    const name = names[i]!
    // A column of this name must become a property, not the row's prototype.
    if (name === '__proto__') Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true })
    else row[name] = value
  }
  return row
}

export function readArrayRow(shape: RowShape, buffer: Buffer, at: number): unknown[] {
  const { parsers } = shape
  const row: unknown[] = new Array(parsers.length)
  let from = at + 2
  for (let i = 0; i < parsers.length; i++) {
    const length = buffer.readInt32BE(from)
    from += 4
    row[i] = length < 0 ? null : parsers[i]!(buffer.toString('utf8', from, from + length))
    if (length > 0) from += length
  }
  return row
}

export interface CommandTag {
  readonly command: string
  readonly rowCount: number | null
  readonly oid: number | null
}

const tagPattern = /^([A-Za-z ]+?)(?: (\d+))?(?: (\d+))?$/

/** Reads `INSERT 0 1`, `SELECT 5`, `BEGIN`. */
export function readCommandTag(text: string): CommandTag {
  const match = tagPattern.exec(text)
  if (match === null) return { command: text, rowCount: null, oid: null }
  const [, command, first, second] = match
  if (second !== undefined) return { command: command!, rowCount: Number(second), oid: Number(first) }
  return { command: command!, rowCount: first === undefined ? null : Number(first), oid: null }
}
