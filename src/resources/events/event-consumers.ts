// The consumers of one tenancy.

import type { TenantId } from '../../core/tenant.ts'
import { ClosedError } from '../../errors.ts'
import { EventConsumer, type EventConsumerOptions, type EventConsumerParts } from './event-consumer.ts'

export class EventConsumers {
  readonly #parts: EventConsumerParts
  readonly #consumers = new Set<EventConsumer>()
  #isClosed = false

  constructor(parts: EventConsumerParts) {
    this.#parts = parts
  }

  /** @throws {ConfigurationError} {@link ClosedError} */
  start(options: EventConsumerOptions): EventConsumer {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    const consumer = new EventConsumer(this.#parts, options)
    this.#consumers.add(consumer)
    consumer.start()
    return consumer
  }

  /** Says that a tenant has a new event. */
  wake(tenantId: TenantId): void {
    for (const consumer of this.#consumers) consumer.wake(tenantId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
  }
}
