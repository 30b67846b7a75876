// How much each tenant uses, counted in this process and written down now and then: for bills, limits, and whoever asks why it is slow.

import type { Clock } from './clock.ts'
import type { LeaseCost, TenancyObserver, WorkCost } from './observer.ts'
import { settledWithin } from './settled-within.ts'
import type { TenantId } from './tenant.ts'
import { runOutside } from './tenant-context.ts'

/** What is counted. Times in milliseconds; bytes over the wire. */
export const usageMetrics = [
  'statements',
  'rows',
  'database_ms',
  'wait_ms',
  'bytes_sent',
  'bytes_received',
  'jobs',
  'job_ms',
  'events',
  'event_ms',
] as const
export type UsageMetric = (typeof usageMetrics)[number]

type Counts = Record<UsageMetric, number>
export type UsageAmounts = Readonly<Counts>

/** What is written down at once. One that is written twice counts once: whoever keeps it goes by source and number. */
export interface UsageBatch {
  readonly source: string
  readonly number: number
  /** So long ago it was closed, in milliseconds. */
  readonly ageMs: number
  readonly amounts: ReadonlyMap<TenantId, UsageAmounts>
}

/** Where usage is written down. */
export interface UsageLog {
  add(batch: UsageBatch): Promise<void>
}

export interface UsageMeterOptions {
  readonly log: UsageLog
  readonly clock: Clock
  /** How long an amount waits to be written, in milliseconds: 1,000 to 600,000; default 15,000. A killed process loses as much. */
  readonly flushEveryMs?: number | undefined
  /** Told when nothing can be written; it is kept, and tried again. */
  readonly onStalled?: ((error: unknown) => void) | undefined
}

interface ClosedBatch {
  readonly number: number
  readonly at: number
  readonly amounts: ReadonlyMap<TenantId, UsageAmounts>
}

const closeWaitMs = 5_000

/** In memory there are no more amounts than tenants that were served since the last flush, or since the log could be written. */
export class UsageMeter implements TenancyObserver {
  readonly #log: UsageLog
  readonly #clock: Clock
  readonly #flushEveryMs: number
  readonly #onStalled: (error: unknown) => void
  readonly #source = crypto.randomUUID()
  #amounts = new Map<TenantId, Counts>()
  #closed: ClosedBatch | undefined
  #number = 0
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  constructor(options: UsageMeterOptions) {
    this.#log = options.log
    this.#clock = options.clock
    this.#flushEveryMs = Math.max(1_000, Math.min(options.flushEveryMs ?? 15_000, 600_000))
    this.#onStalled = options.onStalled ?? (() => {})
  }

  onLease({ context, statements, rows, heldMs, waitMs, bytesSent, bytesReceived }: LeaseCost): void {
    const counts = this.#countsOf(context.tenant.id)
    counts.statements += statements
    counts.rows += rows
    counts.database_ms += heldMs
    counts.wait_ms += waitMs
    counts.bytes_sent += bytesSent
    counts.bytes_received += bytesReceived
  }

  onWork({ kind, tenant, ms }: WorkCost): void {
    const counts = this.#countsOf(tenant.id)
    counts[`${kind}s`] += 1
    counts[`${kind}_ms`] += ms
  }

  /** Writes down what there is. It does not throw: what cannot be written is kept. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
  }

  /** Writes the last of it, if that is possible in five seconds. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await settledWithin(this.flush(), closeWaitMs)
    clearTimeout(this.#timer)
  }

  async #flushAll(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    try {
      // The one that failed last, as it was; then what came meanwhile.
      while (this.#closed !== undefined || this.#amounts.size > 0) {
        this.#closed ??= this.#closeBatch()
        const { number, at, amounts } = this.#closed
        await this.#log.add({ source: this.#source, number, ageMs: this.#clock.monotonic() - at, amounts })
        this.#closed = undefined
      }
    } catch (error) {
      this.#schedule()
      this.#onStalled(error)
    }
  }

  #closeBatch(): ClosedBatch {
    const amounts = this.#amounts
    this.#amounts = new Map()
    this.#number += 1
    return { number: this.#number, at: this.#clock.monotonic(), amounts }
  }

  #countsOf(id: TenantId): Counts {
    const found = this.#amounts.get(id)
    if (found !== undefined) return found
    const counts = Object.fromEntries(usageMetrics.map((metric) => [metric, 0])) as Counts
    this.#amounts.set(id, counts)
    this.#schedule()
    return counts
  }

  #schedule(): void {
    this.#timer ??= runOutside(() => setTimeout(() => void this.flush(), this.#flushEveryMs).unref())
  }
}
