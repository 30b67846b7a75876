// Under which name a tenant knows a file. A key never becomes a path: what a store sees is a random id below the tenant's own prefix
// (object-key.ts). Its grammar is narrow all the same, because keys end up in addresses, exports and other people's programs.

import { InvalidInputError } from '../../errors.ts'

declare const brand: unique symbol

/** A file's key, in its one spelling. Made by {@link fileKey} or {@link parseFileKey} alone. */
export type FileKey = string & { readonly [brand]: 'FileKey' }

/** Segments of one key. */
export const fileKeySegmentsMax = 8

const segment = '[A-Za-z0-9][A-Za-z0-9._-]{0,127}'
const segmentPattern = new RegExp(`^${segment}$`)
const prefixPattern = new RegExp(`^(${segment}/){0,${fileKeySegmentsMax - 1}}(${segment})?$`)

/**
 * A key of one to eight segments, each 1 to 128 of letters, digits, `.`, `_` and `-`, the first a letter or a digit. So there is no `..`,
 * no hidden name, no escape, no slash inside a segment, and no second spelling by another case, encoding or normal form.
 *
 * @example
 * ```ts
 * fileKey('invoices', invoice.id, 'invoice.pdf')
 * ```
 *
 * @throws {InvalidInputError} for everything else. Nothing is folded or cleaned first.
 */
export function fileKey(...segments: readonly string[]): FileKey {
  const isKey =
    segments.length > 0 &&
    segments.length <= fileKeySegmentsMax &&
    segments.every((each) => typeof each === 'string' && segmentPattern.test(each))
  if (isKey) return segments.join('/') as FileKey
  throw new InvalidInputError(
    `Not the key of a file: ${JSON.stringify(segments.join('/').slice(0, 80))}. Give one to eight segments of letters, digits, ".", "_" and "-".`,
  )
}

/** A key that was written down: its segments with slashes between. @throws {InvalidInputError} */
export function parseFileKey(text: unknown): FileKey {
  if (typeof text !== 'string') throw new InvalidInputError('The key of a file is not a text.')
  return fileKey(...text.split('/'))
}

/** @throws {InvalidInputError} for a text with which no key begins. */
export function checkedFilePrefix(prefix: string): string {
  if (typeof prefix === 'string' && prefixPattern.test(prefix)) return prefix
  throw new InvalidInputError(`No key of a file begins with ${JSON.stringify(String(prefix).slice(0, 80))}.`)
}
