// Cursors of keyset paging: where a page ended, as text that goes to the client and comes back.
//
// A cursor is bound to its tenant, table and order by a digest: used anywhere else, or altered, it is refused. The digest has no
// secret key, so it is no protection by itself, and needs to be none: a cursor's values are parameters of a statement behind
// the wall, and whoever makes one up chooses where to begin among the rows that they may read anyway.

import { createHash } from 'node:crypto'
import { InvalidInputError } from '../errors.ts'

/** What a cursor belongs to. */
export interface CursorBinding {
  readonly tenantId: string
  readonly table: string
  /** The columns of the order, with their directions. */
  readonly order: readonly string[]
}

const digestLength = 16
const cursorLengthMax = 4_096

/** The cursor after the row with these values, which are PostgreSQL's own text. */
export function writeCursor(binding: CursorBinding, values: readonly string[]): string {
  const body = Buffer.from(JSON.stringify(values))
  return Buffer.concat([digest(binding, body), body]).toString('base64url')
}

/** @throws {InvalidInputError} when it is not one that was written for this tenant, table and order. */
export function readCursor(binding: CursorBinding, cursor: unknown): readonly string[] {
  const refused = () => new InvalidInputError('The cursor is not one of this list.')
  if (typeof cursor !== 'string' || cursor.length > cursorLengthMax || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw refused()
  const bytes = Buffer.from(cursor, 'base64url')
  const body = bytes.subarray(digestLength)
  // A spelling that decodes to the same bytes is still another text.
  if (bytes.toString('base64url') !== cursor || !bytes.subarray(0, digestLength).equals(digest(binding, body))) throw refused()
  let values: unknown
  try {
    values = JSON.parse(body.toString())
  } catch {
    throw refused()
  }
  if (!Array.isArray(values) || values.length !== binding.order.length || !values.every((value) => typeof value === 'string'))
    throw refused()
  return values as string[]
}

function digest({ tenantId, table, order }: CursorBinding, body: Buffer): Buffer {
  const hash = createHash('sha256').update(JSON.stringify(['partywall cursor', tenantId, table, order]))
  return hash.update('\n').update(body).digest().subarray(0, digestLength)
}
