// One attempt at an event: its envelope is opened for the tenant where it was found, and its handler runs inside that tenant's scope, in one
// transaction with the row of the inbox.

import type { Clock } from '../../core/clock.ts'
import { type Envelope, openEnvelope } from '../../core/envelope.ts'
import type { SealKeys } from '../../core/seal-keys.ts'
import { validated } from '../../core/standard-schema.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'
import { createTenantContext, runOutside, type TenantScope } from '../../core/tenant-context.ts'
import { AbortedError, EnvelopeRefusedError, TenancyError, WrongTenantError } from '../../errors.ts'
import type { EventStores, WaitingEvent } from './event-store.ts'
import type { EventSubscriber } from './event-subscriber.ts'

/** How an attempt ended. `refused`: nobody should try it again as it is. */
export type EventOutcome =
  | { readonly kind: 'had' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'refused'; readonly error: unknown }

export interface EventRunParts {
  readonly keys: SealKeys
  readonly stores: EventStores
  readonly scope: TenantScope
  readonly find: (id: TenantId, isFresh: boolean) => Promise<Tenant | undefined>
  readonly clock: Clock
  readonly tenant: Tenant
  readonly subscriber: EventSubscriber
  readonly event: WaitingEvent
  /** Aborted when the consumer ends. */
  readonly closing: AbortSignal
}

export class EventRun {
  readonly #parts: EventRunParts

  constructor(parts: EventRunParts) {
    this.#parts = parts
  }

  async run(): Promise<EventOutcome> {
    // In nobody's context: what the last event left is not there for the next.
    return await runOutside(async () => {
      try {
        await this.#deliver()
        return { kind: 'had' }
      } catch (error) {
        const isRefused = error instanceof EnvelopeRefusedError && error.details['reason'] !== 'ahead'
        return { kind: isRefused ? 'refused' : 'failed', error }
      }
    })
  }

  async #deliver(): Promise<void> {
    const { stores, scope, subscriber, event, closing } = this.#parts
    const { envelope, tenant } = await this.#open()
    const left = scope.tryCurrent()
    if (left !== undefined) throw new WrongTenantError(`An event of tenant ${tenant.id} began inside the scope of ${left.tenant.id}.`)
    const { actor, requestId, trace } = envelope
    const context = createTenantContext({ tenant, actor, requestId, trace })
    const reaction = subscriber.reactions.get(envelope.type)
    if (reaction === undefined)
      throw new EnvelopeRefusedError('The envelope is of another type than its row.', { details: { reason: 'malformed' } })
    const { id, type, source, subject, time } = envelope
    // Not AbortSignal.timeout(): thousands of its timers would wait for events that ended long ago.
    const controller = new AbortController()
    const timer = setTimeout(() => {
      controller.abort(new AbortedError(`Event ${event.id} took longer than ${subscriber.timeoutMs} ms.`))
    }, subscriber.timeoutMs)
    const signal = AbortSignal.any([controller.signal, closing])
    const handled = scope.run(context, async () => {
      const data = await validated(reaction.event.schema, envelope.data, `The data of event ${type}`)
      const { timeoutMs, attemptsMax } = subscriber
      await stores.for(context).deliver(
        subscriber.name,
        event,
        async (tx) => {
          // What the handler takes is what its own event's schema makes: on() let nothing else through.
          const received = Object.freeze({ id, type, source, subject, time, data: data as never })
          await reaction.handler(received, Object.freeze({ tx, context, attempt: event.attempts + 1, attemptsMax, signal }))
        },
        { timeoutMs, signal },
      )
    })
    await handled.finally(() => clearTimeout(timer))
  }

  /** The envelope, opened for the tenant; whose epoch is asked for anew when the envelope knows a later one. */
  async #open(): Promise<{ readonly envelope: Envelope; readonly tenant: Tenant }> {
    const { keys, clock, tenant, event, find } = this.#parts
    const openFor = async (now: Tenant): Promise<{ readonly envelope: Envelope; readonly tenant: Tenant }> => {
      const envelope = await openEnvelope(event.envelope, { keys, tenant: now, now: clock.now() })
      // The row says what the order and the record go by; the envelope says what is true.
      if (envelope.id !== event.id || envelope.type !== event.type || (envelope.subject ?? '') !== event.line) {
        throw new EnvelopeRefusedError(`The envelope in row ${event.id} is another one’s.`, { details: { reason: 'forged' } })
      }
      return { envelope, tenant: now }
    }
    try {
      return await openFor(tenant)
    } catch (error) {
      if (!(error instanceof EnvelopeRefusedError) || error.details['reason'] !== 'ahead') throw error
      const now = await find(tenant.id, true)
      if (now === undefined) throw error
      return await openFor(now)
    }
  }
}

/** The failure as it is kept: whose it is, and no text that could be personal. */
export function failureWords(error: unknown): string {
  if (error instanceof TenancyError) return `${error.name} ${error.code}`
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  const words = [name, code].filter((word) => typeof word === 'string' && /^[A-Za-z0-9_]{1,60}$/.test(word))
  return words.length === 0 ? 'Error' : words.join(' ')
}
