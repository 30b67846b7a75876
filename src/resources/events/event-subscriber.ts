// Who wants events, and what is done with them.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { ConfigurationError } from '../../errors.ts'
import { isEventName, type TenantEvent } from './tenant-event.ts'

/** An event as it arrives. */
export interface ReceivedEvent<Data = unknown> {
  readonly id: string
  readonly type: string
  readonly source: string
  readonly subject: string | undefined
  readonly time: Date
  readonly data: Data
}

/** What a handler may use. */
export interface EventDelivery {
  /**
   * The transaction in which the event is marked as had. What is written in it is written once, however often the event is tried; what is
   * done elsewhere, at least once.
   */
  readonly tx: OpenTransaction
  /** The scope that the handler runs in: the tenant, and who published. */
  readonly context: TenantContext
  /** From 1 on. */
  readonly attempt: number
  readonly attemptsMax: number
  /** Aborted when its time is over, or the consumer ends. Hand it on. */
  readonly signal: AbortSignal
}

/** A kind of event, and what is done with it. Made by {@link on}. */
export interface EventReaction {
  readonly event: TenantEvent
  readonly handler: (event: ReceivedEvent<never>, delivery: EventDelivery) => unknown
}

export interface EventSubscriberOptions {
  /** How often an event is tried before it is dead. Default 10. */
  readonly attemptsMax?: number | undefined
  /** The pause after the first failure, in milliseconds; each further one doubles it, up to an hour, give or take a quarter. Default 1,000. */
  readonly retryPauseMs?: number | undefined
  /** For how long one attempt may run, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number | undefined
}

/** Who wants events. Made by {@link eventSubscriber}. */
export interface EventSubscriber {
  readonly name: string
  readonly reactions: ReadonlyMap<string, EventReaction>
  readonly attemptsMax: number
  readonly retryPauseMs: number
  readonly timeoutMs: number
}

/** Says what is done with events of a kind. See {@link eventSubscriber}. */
export function on<Input, Parsed>(
  event: TenantEvent<Input, Parsed>,
  handler: (event: ReceivedEvent<Parsed>, delivery: EventDelivery) => unknown,
): EventReaction {
  // What the handler takes is what this event's own schema makes.
  return Object.freeze({ event, handler: handler as EventReaction['handler'] })
}

/**
 * Names a subscriber. Each handler runs inside the scope of the tenant that published, in one transaction with the record that the event was
 * had; events of one subject come in their order, one after another.
 *
 * @param name of the subscriber: it is kept with each tenant, so another name is another subscriber, who has had nothing.
 * @example
 * ```ts
 * const counter = eventSubscriber('document-counter', [
 *   on(documentCreated, async ({ data }, { tx, context }) => {
 *     await tx.query('update counters set documents = documents + 1 where tenant_id = $1', [context.tenant.id])
 *   }),
 * ])
 * tenancy.startConsumer({ subscribers: [counter] })
 * ```
 *
 * @throws {ConfigurationError} for a name or a bound that cannot be.
 */
export function eventSubscriber(
  name: string,
  reactions: readonly EventReaction[],
  { attemptsMax = 10, retryPauseMs = 1_000, timeoutMs = 60_000 }: EventSubscriberOptions = {},
): EventSubscriber {
  if (!isEventName(name)) {
    throw new ConfigurationError(
      `A subscriber cannot be named ${JSON.stringify(name)}. Use a-z, 0-9, "-", "_" and ".", at most 100, as "search-index".`,
    )
  }
  const byType = new Map(reactions.map((reaction) => [reaction.event.type, reaction]))
  if (byType.size === 0 || byType.size < reactions.length) {
    throw new ConfigurationError(`Subscriber ${name} needs reactions to events, one for each type: [on(documentCreated, …)].`)
  }
  for (const [bound, value, most] of [
    ['attemptsMax', attemptsMax, 1_000],
    ['retryPauseMs', retryPauseMs, 3_600_000],
    ['timeoutMs', timeoutMs, 3_000_000],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 1 || value > most) {
      throw new ConfigurationError(`Subscriber ${name}: ${bound} is ${value}; it must be a whole number from 1 to ${most}.`)
    }
  }
  return Object.freeze({ name, reactions: byType, attemptsMax, retryPauseMs, timeoutMs })
}
