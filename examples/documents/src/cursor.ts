// A cursor: the last id of a page. It carries its tenant, so that one tenant's cursor is nothing to another: not even a
// position to start from.

import { InvalidInputError } from 'partywall'

/** 32 bytes: the tenant's id and the row's. */
export function writeCursor(tenantId: string, lastId: string): string {
  return Buffer.concat([bytesOf(tenantId), bytesOf(lastId)]).toString('base64url')
}

/**
 * The id after which the page begins.
 *
 * @throws {InvalidInputError} when the cursor was not made for this tenant.
 */
export function readCursor(tenantId: string, cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.length !== 32 || !bytes.subarray(0, 16).equals(bytesOf(tenantId))) throw new InvalidInputError('The cursor is not one of ours.')
  const hex = bytes.toString('hex', 16)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}
