// CSV as RFC 4180 has it: a line of names, fields that are quoted where they must be, CRLF. UTF-8 without a byte order mark.
// Null is a field with nothing in it; an empty text is "". PostgreSQL's COPY … (format csv) has the same rule.

import type { ColumnKind, PortableTable, RowTexts } from './portable-table.ts'
import { noBytes, type RowEncoder } from './row-encoder.ts'

export interface CsvOptions {
  /**
   * Put a ' before texts that a spreadsheet would take for a formula (=, +, -, @, tab or return in front). For people who open the
   * file in one; an import has to be told to take it away again. Default: texts are as they are.
   */
  readonly guardFormulas?: boolean | undefined
}

// https://owasp.org/www-community/attacks/CSV_Injection; the full-width twins are read as formulas by some, too.
const formula = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/

/** Kinds in which a leading minus or plus is a number's or a date's own. */
const harmless: ReadonlySet<ColumnKind> = new Set([
  'uuid',
  'boolean',
  'integer',
  'bigint',
  'numeric',
  'float',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'json',
  'array',
])

export function csvEncoder({ columns }: Pick<PortableTable, 'columns'>, { guardFormulas = false }: CsvOptions = {}): RowEncoder {
  const guarded = columns.map(({ kind }) => guardFormulas && !harmless.has(kind))
  const line = (row: RowTexts): string =>
    row.map((text, i) => (text === null ? '' : csvField(guarded[i] === true ? guard(text) : text))).join(',')
  return {
    begin: () => Buffer.from(`${columns.map(({ name }) => csvField(name)).join(',')}\r\n`),
    encode: (rows) => (rows.length === 0 ? noBytes : Buffer.from(`${rows.map(line).join('\r\n')}\r\n`)),
    end: () => noBytes,
  }
}

function csvField(text: string): string {
  return text === '' || /["\r\n,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function guard(text: string): string {
  return formula.test(text) ? `'${text}` : text
}

/** A text that was guarded, as it was. */
export function unguarded(kind: ColumnKind, text: string): string {
  return !harmless.has(kind) && text.startsWith("'") && formula.test(text.slice(1)) ? text.slice(1) : text
}
