// The round over tenants that have work: take those that are due, visit each, settle. A visit takes work in hand and ends; what it has
// taken goes on in its own time, so that the next process may visit the same tenant at once.
//
//   sweep, now and then ─► every tenant marked
//   free room? ─► take marks that are due ─► visit(tenant, share) ─► settle: due again in so many ms, or not
//        ▲                                        │
//        └──────── wake(): room, or new work ◄────┘

import { type Clock, systemClock } from './clock.ts'
import { settledWithin } from './settled-within.ts'
import type { TenantId } from './tenant.ts'
import { runOutside } from './tenant-context.ts'
import type { TakenMark, WorkMarks } from './work-marks.ts'

/** What is done on a round. */
export interface RoundsWork {
  /** How many pieces of work may be taken now. */
  free(): number
  /** Among how many tenants so many pieces are shared. More is fairer; fewer visits with more at once are cheaper. */
  sharers(free: number): number
  /** Tenants that are not to be visited now: what they may have here at once is under way. */
  full(): readonly TenantId[]
  /**
   * Takes up to `share` pieces of a tenant's work in hand. It reserves their room before it first waits.
   *
   * @returns in how many milliseconds the tenant has more, or undefined.
   */
  visit(tenantId: TenantId, share: number): Promise<number | undefined>
  /** A visit, or the catalog, failed. It is tried again. */
  onError(error: unknown, tenantId: TenantId | undefined): void
}

export interface TenantRoundsOptions {
  readonly kind: string
  readonly marks: WorkMarks
  readonly work: RoundsWork
  /** How often marks are looked for when nobody says that there are some, in milliseconds. Default 500. */
  readonly pollMs?: number | undefined
  /** After how long a mark that was taken and not settled is another's, in milliseconds. Default 60,000. */
  readonly holdMs?: number | undefined
  /** Tenants of one look. Default 50. */
  readonly tenantsMax?: number | undefined
  /** How often every tenant is marked, in milliseconds. Default an hour. */
  readonly sweepMs?: number | undefined
  readonly clock?: Clock | undefined
}

const failurePauseMaxMs = 60_000
/** How many tenants' failures are remembered: past that each is as its first. */
const failuresMax = 10_000

/** Goes on until it is closed. Several processes may go at once: each tenant is visited by one of them at a time. */
export class TenantRounds {
  readonly #kind: string
  readonly #marks: WorkMarks
  readonly #work: RoundsWork
  readonly #pollMs: number
  readonly #holdMs: number
  readonly #tenantsMax: number
  readonly #sweepMs: number
  readonly #clock: Clock
  readonly #visits = new Set<Promise<void>>()
  /** Tenants of this process that have new work, as it was told: they are visited without a mark. */
  readonly #hints = new Set<TenantId>()
  readonly #failures = new Map<TenantId, number>()
  #loop: Promise<void> | undefined
  #isClosed = false
  #isWoken = false
  #wakeUp: (() => void) | undefined
  #roundsFailed = 0
  #askedToSweepAt = Number.NEGATIVE_INFINITY

  constructor(options: TenantRoundsOptions) {
    this.#kind = options.kind
    this.#marks = options.marks
    this.#work = options.work
    this.#pollMs = options.pollMs ?? 500
    this.#holdMs = options.holdMs ?? 60_000
    this.#tenantsMax = options.tenantsMax ?? 50
    this.#sweepMs = options.sweepMs ?? 3_600_000
    this.#clock = options.clock ?? systemClock
  }

  start(): void {
    this.#loop ??= runOutside(() => this.#run())
  }

  /** There is room again, or, with a tenant, new work of its own. */
  wake(tenantId?: TenantId): void {
    if (tenantId !== undefined) this.#hints.add(tenantId)
    this.#isWoken = true
    this.#wakeUp?.()
  }

  /** Takes nothing any more, and ends with the visits that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.wake()
    await this.#loop
    await settledWithin(Promise.all(this.#visits), this.#holdMs)
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      let pauseMs = this.#pollMs
      this.#isWoken = false
      try {
        if (await this.#round()) pauseMs = 0
        this.#roundsFailed = 0
      } catch (error) {
        this.#work.onError(error, undefined)
        pauseMs = pauseAfter(++this.#roundsFailed, this.#pollMs)
        this.#isWoken = false
      }
      if (pauseMs > 0 && !this.#isWoken && !this.#isClosed) await this.#pause(pauseMs)
    }
  }

  /** @returns whether there may be more at once. */
  async #round(): Promise<boolean> {
    this.#visitHinted()
    if (this.#work.free() < 1) return false
    await this.#sweep()
    const free = this.#work.free()
    if (free < 1 || this.#isClosed) return false
    const tenantsMax = Math.max(1, Math.min(free, this.#tenantsMax, this.#work.sharers(free)))
    const taken = await this.#marks.take(this.#kind, { tenantsMax, holdMs: this.#holdMs, exceptFor: this.#work.full() })
    const share = Math.max(1, Math.floor(free / Math.max(1, taken.length)))
    for (const mark of taken) this.#track(this.#visitMarked(mark, share))
    return taken.length === tenantsMax && this.#work.free() > 0
  }

  /** Whoever asks first after so long does it for all processes: one that has just asked need not ask again. */
  async #sweep(): Promise<void> {
    const now = this.#clock.monotonic()
    if (now - this.#askedToSweepAt < this.#sweepMs / 20) return
    await this.#marks.sweep(this.#kind, this.#sweepMs)
    this.#askedToSweepAt = now
  }

  #visitHinted(): void {
    const hinted = [...this.#hints]
    const full = new Set(this.#work.full())
    for (const tenantId of hinted) {
      const free = this.#work.free()
      if (free < 1) return
      this.#hints.delete(tenantId)
      if (!full.has(tenantId)) this.#track(this.#visit(tenantId, Math.max(1, Math.floor(free / hinted.length))).then(() => {}))
    }
  }

  async #visitMarked(mark: TakenMark, share: number): Promise<void> {
    const dueInMs = await this.#visit(mark.tenantId, share)
    // Not settled: the hold ends by itself.
    await this.#marks.settle(this.#kind, mark, dueInMs).catch((error: unknown) => this.#work.onError(error, mark.tenantId))
    if (dueInMs === 0) this.wake()
  }

  async #visit(tenantId: TenantId, share: number): Promise<number | undefined> {
    try {
      const dueInMs = await this.#work.visit(tenantId, share)
      this.#failures.delete(tenantId)
      return dueInMs
    } catch (error) {
      this.#work.onError(error, tenantId)
      const failures = (this.#failures.get(tenantId) ?? 0) + 1
      if (this.#failures.size < failuresMax) this.#failures.set(tenantId, failures)
      return pauseAfter(failures, this.#pollMs)
    }
  }

  #track(visit: Promise<void>): void {
    const tracked = visit.finally(() => this.#visits.delete(tracked))
    this.#visits.add(tracked)
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wakeUp = undefined
  }
}

function pauseAfter(failures: number, firstMs: number): number {
  return Math.min(failurePauseMaxMs, Math.max(firstMs, 100) * 2 ** Math.min(failures, 20))
}
