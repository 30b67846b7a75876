// Where signed heads are kept: out of reach of whoever can write the database. A head that was put is never changed or taken away.

import type { TenantId } from '../core/tenant.ts'
import type { SignedHead } from './signed-head.ts'

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
}
