// Where the webhooks of one tenant go: a port.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { TenantContext } from '../../core/tenant-context.ts'

/** An endpoint as it is told. */
export interface WebhookEndpoint {
  readonly id: string
  readonly url: string
  /** Types of events that are sent there; empty for all. */
  readonly types: readonly string[]
  readonly createdAt: Date
  /** Since when every attempt has failed. */
  readonly failingSince: Date | undefined
  /** Nothing is sent there from then on. */
  readonly disabledAt: Date | undefined
}

/** With what signs. */
export interface SigningEndpoint extends WebhookEndpoint {
  /** The newest first. */
  readonly secrets: readonly string[]
}

export interface WebhookStore {
  /** @returns false when the tenant has as many as it may. */
  add(
    endpoint: { readonly id: string; readonly url: string; readonly types: readonly string[]; readonly secret: string },
    most: number,
  ): Promise<boolean>
  list(): Promise<readonly WebhookEndpoint[]>
  find(id: string): Promise<SigningEndpoint | undefined>
  /** The ids of those that are enabled and want this type. */
  wanting(type: string, tx: OpenTransaction): Promise<readonly string[]>
  remove(id: string): Promise<boolean>
  /** A new secret; the one before it signs, too, for so long. */
  rotate(id: string, secret: string, overlapMs: number): Promise<boolean>
  enable(id: string): Promise<boolean>
  succeeded(id: string): Promise<void>
  /** @returns whether it is disabled by this, because it has failed for so long. */
  failed(id: string, disableAfterMs: number, tx: OpenTransaction): Promise<boolean>
}

export interface WebhookStores {
  for(context: TenantContext): WebhookStore
}
