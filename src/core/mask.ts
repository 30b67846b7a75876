// What becomes of a column when a tenant is copied for people who must not see its data. Rules are plain JSON, so that an operation that
// was killed is gone on with by the same ones.

import { InvalidInputError } from '../errors.ts'
import type { Json } from './tenant.ts'

/**
 * A rule for a column, as it is written:
 *
 * - `"keep"`: the values stay as they are.
 * - `"null"`: NULL in every row.
 * - `"hash"`: a keyed hash; equal values stay equal, also between columns, so that joins still join. For text, uuid and bigint.
 * - `"email"`: `<keyed hash>@example.invalid`, which no mail ever reaches (RFC 2606).
 * - `"name"`: a made-up name, the same for equal values.
 * - `"text"`: filler of the same length.
 * - `{ "fixed": "…" }`: this value in every row, as PostgreSQL reads it.
 * - `{ "noise": 10 }`: the number, at most so many percent off.
 * - `{ "custom": "…" }`: a function of the application, by its name in the option `masks`.
 */
export type MaskRule =
  | 'keep'
  | 'null'
  | 'hash'
  | 'email'
  | 'name'
  | 'text'
  | { readonly fixed: string }
  | { readonly noise: number }
  | { readonly custom: string }

/** Rules by `table.column`. */
export type Mask = Readonly<Record<string, MaskRule>>

/** A function of the application's for the rule `custom`. It is given null for NULL, and must answer equally for equal values. */
export type CustomMask = (value: string | null, column: { readonly table: string; readonly column: string }) => string | null

/** Functions by the names that rules call them by. */
export type CustomMasks = Readonly<Record<string, CustomMask>>

const words = ['keep', 'null', 'hash', 'email', 'name', 'text'] as const satisfies readonly MaskRule[]

/** @throws {InvalidInputError} for what is no rule; no value of a rule is in the message. */
export function checkedMask(given: unknown): Mask {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidInputError('A mask is an object: { "table.column": rule }.')
  }
  return Object.fromEntries(Object.entries(given).map(([column, rule]) => [column, checkedRule(column, rule)]))
}

function checkedRule(column: string, rule: unknown): MaskRule {
  const word = words.find((each) => each === rule)
  if (word !== undefined) return word
  if (typeof rule === 'object' && rule !== null && !Array.isArray(rule)) {
    const [entry, ...more] = Object.entries(rule as Record<string, Json>)
    const [kind, value] = entry ?? []
    if (more.length === 0) {
      if (kind === 'fixed' && typeof value === 'string') return { fixed: value }
      if (kind === 'custom' && typeof value === 'string') return { custom: value }
      if (kind === 'noise' && typeof value === 'number' && value > 0 && value <= 100) return { noise: value }
    }
  }
  throw new InvalidInputError(
    `The rule of ${JSON.stringify(column)} is none of ${words.map((each) => JSON.stringify(each)).join(', ')}, ` +
      '{ "fixed": "text" }, { "noise": percent, up to 100 }, { "custom": "name" }.',
  )
}

/** A rule in a few words, for a plan; a fixed value is not told. */
export function toldRule(rule: MaskRule): string {
  if (typeof rule === 'string') return rule
  if ('fixed' in rule) return 'fixed'
  return 'noise' in rule ? `noise of ${rule.noise} %` : `custom ${rule.custom}`
}
