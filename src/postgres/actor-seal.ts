// Says in a transaction who acts, so that a trigger of the database may believe it: sealed with what no statement of the application can
// know (postgres/sql/wall/0015-audit-changes.sql).

import { hash } from 'node:crypto'
import { contextText } from '../core/audit-batch.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { auditContextOf } from './audit-context.ts'
import type { Capability } from './capabilities.ts'

/** Both halves of a key: `sha256(outer || sha256(inner || text))`, which is HMAC-SHA256 where they are made of one (RFC 2104). */
export interface Seal {
  readonly inner: Buffer
  readonly outer: Buffer
}

/** The seal of a capability, as the database tells it. */
export function sealOfCapability(bytes: Uint8Array): Seal {
  const half = bytes.length / 2
  return { inner: Buffer.from(bytes.subarray(0, half)), outer: Buffer.from(bytes.subarray(half)) }
}

/** @param key 32 bytes: of a tenant's own login. */
export function sealOfKey(key: Uint8Array): Seal {
  const padded = (byte: number): Buffer => Buffer.alloc(64, byte).map((pad, at) => pad ^ (key[at] ?? 0)) as Buffer
  return { inner: padded(0x36), outer: padded(0x5c) }
}

const texts = new WeakMap<TenantContext, string>()

/**
 * What the parameter `partywall.actor` is set to; undefined where no change of any table is recorded.
 *
 * @param transaction Its name in the audit log, where it has one.
 */
export function sealActor({ seal, handle }: Capability, context: TenantContext, transaction: string | undefined): string | undefined {
  if (seal === undefined) return undefined
  let text = texts.get(context)
  if (text === undefined) {
    text = contextText(auditContextOf(context))
    texts.set(context, text)
  }
  if (transaction !== undefined) text = `${text.slice(0, -1)},"transaction":${JSON.stringify(transaction)}}`
  const inner = hash('sha256', Buffer.concat([seal.inner, Buffer.from(`partywall actor ${handle} ${text}`)]), 'buffer')
  return `${hash('sha256', Buffer.concat([seal.outer, inner]), 'hex')} ${text}`
}
