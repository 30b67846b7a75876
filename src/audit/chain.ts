// The chain of one tenant's audit log: each entry's hash covers the one before it, its position and its exact text, so that a change in
// the middle breaks what follows. Who can write the table can also compute the chain anew: against that there are signed heads.

import { createHash } from 'node:crypto'
import type { TenantId } from '../core/tenant.ts'

/** An entry as the table has it. */
export interface AuditRow {
  readonly position: bigint
  /** The column of that name: a time that `Date.parse` reads. */
  readonly at: string
  /** The exact text: not parsed and written again, which would change spaces and the spelling of numbers. */
  readonly payload: string
  /** 32 bytes. */
  readonly hash: Buffer
}

/** What stands before position 1: SHA-256 of `partywall audit` and the 16 bytes of the tenant's id. No two tenants' logs begin alike. */
export function chainStart(tenant: TenantId): Buffer {
  return createHash('sha256')
    .update('partywall audit')
    .update(Buffer.from(tenant.replaceAll('-', ''), 'hex'))
    .digest()
}

/** SHA-256 of the hash before, the position as eight bytes (big-endian, as `int8send` gives it), and the payload in UTF-8. */
export function chainHash(previous: Buffer, entry: Pick<AuditRow, 'position' | 'payload'>): Buffer {
  const position = Buffer.allocUnsafe(8)
  position.writeBigInt64BE(entry.position)
  return createHash('sha256').update(previous).update(position).update(entry.payload, 'utf8').digest()
}
