// What a verb answers: lines for people, or with --json one JSON object a line.

import { columns, printable } from './columns.ts'
import type { Terminal } from './verb.ts'

/** A column of a table: its head, and what stands below it. */
export type TableColumns<Row> = Readonly<Record<string, (row: Row) => string>>

export interface Output {
  /** Was --json given? For the few verbs that have more to decide than `record` and `table` do. */
  readonly isJson: boolean
  /** One object: a line for each of its fields, or all of it as JSON. */
  record(value: object): void
  /** Many objects. For people they are collected, because columns are as wide as their widest cell; JSON is printed as it comes. */
  table<Row extends object>(rows: Iterable<Row> | AsyncIterable<Row>, shown: TableColumns<Row>): Promise<void>
  /** A text that stands alone, as a script reads it; as JSON, an object. */
  value(text: string, asJson: object): void
  /** Lines that say how it went, where there is no object to show; as JSON, an object. */
  lines(text: readonly string[], asJson: object): void
}

/** The output of one command. */
export function openOutput(terminal: Terminal, isJson: boolean): Output {
  // JSON leaves the upper controls as they are, and takes their escapes.
  const json = (value: object): void => terminal.print(printable(JSON.stringify(value)))
  return {
    isJson,
    record(value) {
      if (isJson) return json(value)
      for (const line of columns(Object.entries(value).map(([key, field]) => [key, fieldText(field)]))) terminal.print(line)
    },
    async table(rows, shown) {
      const found: string[][] = []
      for await (const row of rows) {
        if (isJson) json(row)
        else found.push(Object.values(shown).map((cell) => cell(row)))
      }
      if (!isJson) for (const line of columns([Object.keys(shown), ...found])) terminal.print(line)
    },
    value: (text, asJson) => (isJson ? json(asJson) : terminal.print(text)),
    lines(text, asJson) {
      if (isJson) return json(asJson)
      for (const line of text) terminal.print(printable(line))
    },
  }
}

function fieldText(field: unknown): string {
  return typeof field === 'string' ? field : (JSON.stringify(field) ?? '')
}
