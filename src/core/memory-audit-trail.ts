// The audit trail in memory: for tests. It keeps the latest events, up to a bound.

import { checkedAuditEvent } from './audit-event.ts'
import type { AuditEvent, AuditTrail } from './audit-trail.ts'

export class MemoryAuditTrail implements AuditTrail {
  readonly #events: AuditEvent[] = []
  readonly #eventsMax: number

  /** @param options.eventsMax default 10,000: the oldest are dropped beyond it. */
  constructor(options: { readonly eventsMax?: number | undefined } = {}) {
    this.#eventsMax = options.eventsMax ?? 10_000
  }

  async record(event: AuditEvent): Promise<void> {
    this.#events.push(checkedAuditEvent(event))
    if (this.#events.length > this.#eventsMax) this.#events.shift()
  }

  /** What was recorded, the oldest first. */
  events(): readonly AuditEvent[] {
    return [...this.#events]
  }
}
