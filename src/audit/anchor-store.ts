// Where signed heads are kept: out of reach of whoever can write the database. A head that was put is never changed or taken away.

import type { TenantId } from '../core/tenant.ts'
import { ObjectStoreError } from '../errors.ts'
import { isSignedHead, type SignedHead } from './signed-head.ts'

/**
 * Keeps heads, and only ever adds. That is all that a transparency log over HTTP has to do to be one, too. What it gives back is judged by
 * its signature: it need not be trusted to tell the truth, only not to forget.
 */
export interface AnchorStore {
  /** Which kind it is, for messages. */
  readonly kind: string
  /**
   * Durable when it resolves. The same head again is no error, and changes nothing.
   *
   * @throws {ObjectStoreError} when the store does not answer, refuses or is full.
   */
  put(head: SignedHead): Promise<void>
  /**
   * All heads of this tenant, in order of position.
   *
   * @throws {ObjectStoreError} when the store does not answer, or holds something that is no head: a hidden head would hide a forgery.
   */
  list(tenant: TenantId): Promise<readonly SignedHead[]>
  /**
   * The last of what {@link list} gives: asked each time a log is signed, where the whole list would grow dearer by the hour.
   *
   * @throws {ObjectStoreError} as `list`.
   */
  latest(tenant: TenantId): Promise<SignedHead | undefined>
}

/** What a head is called. Sorted by name is sorted by position. The signature is in it: two that contradict each other are both kept. */
export function anchorName({ position, kind, signature }: SignedHead): string {
  return `${position.padStart(19, '0')}-${kind}-${signature.slice(0, 16)}.json`
}

/** @throws {ObjectStoreError} for what is no head. */
export function headIn(text: string, name: string): SignedHead {
  const head = parsed(text)
  if (isSignedHead(head)) return head
  throw new ObjectStoreError(`The file ${name} among the anchors is no signed head. Find out who wrote it before it is removed.`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
