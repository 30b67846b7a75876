// Rows for people.

/** One line a row, each column as wide as its widest cell. What a terminal would obey is shown instead of sent. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map(printable))
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  return cells.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** What a terminal would obey (colours, the bell, the cursor) is shown in its place, as JSON escapes it. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => shortEscapes[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
