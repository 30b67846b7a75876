// Events as a tenant's code sees them. There is no way to publish without a tenant: a handle is made for one context, and its outbox is among
// that tenant's own rows.

import { validate as isUuid, v7 as uuidv7 } from 'uuid'
import type { Clock } from '../../core/clock.ts'
import { sealEnvelope } from '../../core/envelope.ts'
import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { SealKeys } from '../../core/seal-keys.ts'
import { validated } from '../../core/standard-schema.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import type { WorkMarks } from '../../core/work-marks.ts'
import { ConfigurationError, EventNotFoundError, InvalidInputError } from '../../errors.ts'
import type { DeadEvent, EventStores, WhichDead } from './event-store.ts'
import type { TenantEvent } from './tenant-event.ts'

/** How events of tenants are published and read. */
export interface EventsOptions {
  /** A URI of the application, e.g. `https://app.example.com`: the `source` of its events. */
  readonly source: string
  /** What seals events: `fixedSealKeys([...])` or `storedSealKeys(secrets, { prefix })`. */
  readonly keys: SealKeys
}

export interface PublishOptions {
  /** Publishes in this transaction: there is an event if it commits, and none if it does not. */
  readonly tx?: OpenTransaction | undefined
  /** What it happened to: 1 to 1,024 characters. Events of one subject come in their order; those without one are a line of their own. */
  readonly subject?: string | undefined
}

/** The events of one tenant. */
export interface TenantEvents {
  /**
   * Publishes an event. Every subscriber has it at least once, in the scope of this tenant and on behalf of whoever publishes it.
   *
   * @throws {InvalidInputError} when the data is not what the event's schema says. {@link WrongTenantError} for another tenant's transaction.
   * @throws {ConfigurationError} where there are no tables of events, or no `events` in the tenancy's options.
   */
  publish<Input, Parsed>(
    event: TenantEvent<Input, Parsed>,
    data: NoInfer<Input>,
    options?: PublishOptions,
  ): Promise<{ readonly id: string }>
  /** One for each of the data, in one statement: all of them or none. At most 1,000. */
  publishAll<Input, Parsed>(
    event: TenantEvent<Input, Parsed>,
    data: readonly NoInfer<Input>[],
    options?: PublishOptions,
  ): Promise<readonly { readonly id: string }[]>
  /** Events that could not be delivered, by their ids; `limit` 1 to 1,000, default 100. */
  dead(options?: {
    readonly subscriber?: string | undefined
    readonly after?: WhichDead | undefined
    readonly limit?: number | undefined
  }): Promise<{ readonly events: readonly DeadEvent[]; readonly next: WhichDead | undefined }>
  /** Tries dead events again: one, those of a subscriber, or all. @returns how many. */
  replay(which?: WhichDead): Promise<number>
  /** Gives dead events up: they count as had. @returns how many. @throws {EventNotFoundError} for an id that is none. */
  discard(which?: WhichDead): Promise<number>
  /** Forgets a subscriber that is no more: nothing is kept for it any longer. @returns whether there was one. */
  unsubscribe(subscriber: string): Promise<boolean>
}

export interface EventsOfTenantsParts {
  readonly options: EventsOptions | undefined
  readonly stores: EventStores
  readonly marks: WorkMarks
  readonly clock: Clock
  /** Says to the consumers of this process that a tenant has a new event. */
  readonly wake: (tenantId: TenantId) => void
}

export const eventKind = 'event'
/**
 * So long a transaction is taken to last when it publishes: a look before its end finds nothing. A mark that is younger does for the next
 * transaction, too, since nobody looks before.
 */
const transactionMs = 100
const marksKnownMax = 10_000
const eventsMax = 1_000
const pageMax = 1_000

/** Makes handles for tenants. */
export class EventsOfTenants {
  readonly #parts: EventsOfTenantsParts
  readonly #markedAt = new Map<TenantId, number>()

  constructor(parts: EventsOfTenantsParts) {
    this.#parts = parts
  }

  /** The events of the context's tenant. The handle stays that tenant's, wherever it is taken. */
  for(context: TenantContext): TenantEvents {
    const { stores } = this.#parts
    const store = stores.for(context)
    const { tenant } = context
    const publishAll: TenantEvents['publishAll'] = async (event, data, options = {}) => {
      if (data.length > eventsMax) throw new InvalidInputError(`${data.length} events at once; it may be ${eventsMax}.`)
      if (data.length === 0) return []
      const made = await Promise.all(data.map((each) => this.#sealed(context, event, each, options)))
      await Promise.all([this.#mark(tenant.id, options.tx), store.append(made, options.tx)])
      if (options.tx === undefined) this.#parts.wake(tenant.id)
      return made.map(({ id }) => ({ id }))
    }
    return Object.freeze<TenantEvents>({
      publishAll,
      publish: async (event, data, options) => {
        const [published] = await publishAll(event, [data], options)
        return published as NonNullable<typeof published>
      },
      dead: async ({ subscriber, after, limit = 100 } = {}) => {
        if (!Number.isSafeInteger(limit) || limit < 1 || limit > pageMax) {
          throw new InvalidInputError(`limit is ${limit}; it must be 1 to ${pageMax}.`)
        }
        const found = await store.deadPage({ after: after && checkedWhich(after), subscriber, limit: limit + 1 })
        const events = found.slice(0, limit)
        const last = events.at(-1)
        return { events, next: found.length > limit && last !== undefined ? { id: last.id, subscriber: last.subscriber } : undefined }
      },
      replay: async (which = {}) => {
        const count = await store.replay(checkedWhich(which))
        if (count > 0) {
          await this.#parts.marks.mark(eventKind, tenant.id)
          this.#parts.wake(tenant.id)
        }
        return count
      },
      discard: async (which = {}) => await store.discard(checkedWhich(which)),
      unsubscribe: async (subscriber) => await store.forget(subscriber),
    })
  }

  async #sealed(context: TenantContext, event: TenantEvent, data: unknown, { subject }: PublishOptions) {
    const { options, clock } = this.#parts
    if (options === undefined) {
      throw new ConfigurationError('There is nothing to seal events with: pass events: { source, keys } to createTenancy().')
    }
    // The data as it came is what is sent: the subscriber's side applies the schema anew, and it may be a later one.
    await validated(event.schema, data, `The data of event ${event.type}`)
    const { tenant, actor, requestId, trace } = context
    const id = uuidv7()
    const envelope = await sealEnvelope(
      {
        id,
        source: options.source,
        type: event.type,
        subject,
        time: new Date(clock.now()),
        dataSchema: event.dataSchema,
        data,
        tenantId: tenant.id,
        tenantEpoch: tenant.epoch,
        actor,
        requestId,
        trace,
      },
      options.keys,
    )
    return { id, type: event.type, subject, envelope }
  }

  /** Before the event is committed: a mark too many costs one look. */
  async #mark(tenantId: TenantId, tx: OpenTransaction | undefined): Promise<void> {
    const { marks, clock } = this.#parts
    if (tx === undefined) return await marks.mark(eventKind, tenantId)
    const now = clock.monotonic()
    if (now - (this.#markedAt.get(tenantId) ?? Number.NEGATIVE_INFINITY) < transactionMs) return
    await marks.mark(eventKind, tenantId, transactionMs)
    if (this.#markedAt.size >= marksKnownMax) this.#markedAt.clear()
    this.#markedAt.set(tenantId, now)
  }
}

function checkedWhich(which: WhichDead): WhichDead {
  if (which.id === undefined || (typeof which.id === 'string' && isUuid(which.id))) return which
  throw new EventNotFoundError(`${JSON.stringify(which.id)} is not the id of an event.`)
}
