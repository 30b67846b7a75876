// The events of one tenant, where the tenant's rows are: a port. An event is waiting for a subscriber until there is a row of the inbox for
// both, which is written in the transaction of the effect; it leaves the outbox when everybody who wants it has had it.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { TenantContext } from '../../core/tenant-context.ts'

export interface NewEvent {
  readonly id: string
  readonly type: string
  readonly subject: string | undefined
  readonly envelope: string
}

/** An event that a subscriber has not had. */
export interface WaitingEvent {
  readonly id: string
  readonly type: string
  /** What the order is kept within: the subject, or all that have none. */
  readonly line: string
  readonly envelope: string
  /** How often it was tried. */
  readonly attempts: number
  /** Is it known not to have been delivered at first? */
  readonly hasFailed: boolean
}

export interface Waiting {
  /** The oldest first. Of a line that waits for another attempt there is none. */
  readonly events: readonly WaitingEvent[]
  /** In how many milliseconds the next attempt is due. */
  readonly nextInMs: number | undefined
}

export interface SubscriberTypes {
  readonly name: string
  readonly types: readonly string[]
}

export interface FailedDelivery {
  readonly subscriber: string
  readonly eventId: string
  /** Undefined: it is dead. */
  readonly retryInMs: number | undefined
  /** Of the failure: its class and code, no text that could be personal. */
  readonly error: string
  /** Was this attempt counted before it began? */
  readonly isCounted?: boolean | undefined
}

/** An event that could not be delivered, and is not tried any more until somebody says so. */
export interface DeadEvent {
  readonly id: string
  readonly subscriber: string
  readonly type: string
  readonly subject: string | undefined
  readonly attempts: number
  readonly error: string | undefined
  readonly diedAt: Date
}

export interface WhichDead {
  readonly id?: string | undefined
  readonly subscriber?: string | undefined
}

export interface EventStore {
  append(events: readonly NewEvent[], tx: OpenTransaction | undefined): Promise<void>
  /**
   * Makes known who wants what, and takes those that nobody else has in hand.
   *
   * @returns them by name. `wasLost`: who had it before has died.
   */
  hold(
    subscribers: readonly SubscriberTypes[],
    options: { readonly hold: string; readonly holdMs: number },
  ): Promise<ReadonlyMap<string, { readonly wasLost: boolean }>>
  /** Lets go of what was taken. @param idle those that nothing is left for but what waits or is dead. */
  release(hold: string, idle: readonly string[]): Promise<void>
  waiting(subscriber: string, limit: number): Promise<Waiting>
  /**
   * Runs `effect` in a transaction together with the row of the inbox: both or neither.
   *
   * @returns false when the subscriber has had it: nothing was run.
   */
  deliver(
    subscriber: string,
    event: WaitingEvent,
    effect: (tx: OpenTransaction) => Promise<void>,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<boolean>
  fail(delivery: FailedDelivery): Promise<void>
  /** Takes away what everybody has had: of these, or, when not given, of what was left behind by others. */
  tidy(eventIds: readonly string[] | undefined): Promise<void>
  deadPage(page: {
    readonly after: WhichDead | undefined
    readonly subscriber: string | undefined
    readonly limit: number
  }): Promise<readonly DeadEvent[]>
  /** They are tried again, with all their attempts. @returns how many. */
  replay(which: WhichDead): Promise<number>
  /** They count as had. @returns how many. */
  discard(which: WhichDead): Promise<number>
  /** Forgets a subscriber. @returns whether there was one. */
  forget(subscriber: string): Promise<boolean>
}

/** Opens a tenant's events. */
export interface EventStores {
  for(context: TenantContext): EventStore
}
