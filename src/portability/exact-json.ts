// JSON whose numbers keep every digit: what a double cannot hold stays as it was written.

/** A number as it was spelled, where a double would spell it otherwise. */
interface RawNumber {
  readonly rawJSON: string
}

// https://tc39.es/proposal-json-parse-with-source/: in V8 since 11.4, not yet in the types.
interface JsonWithSource {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}
const json = JSON as unknown as JsonWithSource

/** Numbers that may change: long ones, those with an exponent, those that end in zeros behind the point, minus nought. */
const delicate = /[:,[]\s*-?(?:[\d.]{15,}|[\d.]+[eE]|\d+\.\d*0(?![\d])|0(?=[\s,\]}]))/

/**
 * Parses JSON. The reviver costs much, so that only texts go through it that have a number which needs it.
 *
 * @throws {SyntaxError} as JSON.parse does.
 */
export function parseExactly(text: string): unknown {
  if (!delicate.test(text)) return JSON.parse(text)
  return json.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  )
}

/** The text of a number, or undefined for what is none. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return json.isRawJSON(value) ? value.rawJSON : undefined
}
