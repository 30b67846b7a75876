// Those who wait for one tenant at one place, and what lets them try again.

import type { Clock } from '../core/clock.ts'
import { isSamePlace } from '../core/placement.ts'
import type { Tenant } from '../core/tenant.ts'
import type { Gate } from './capabilities.ts'
import { aborted } from './watchdog.ts'

/** Where to try again. */
export interface LetIn {
  readonly tenant: Tenant
  /** How the gate stood. Whoever is refused even so waits until it stands otherwise. */
  readonly seen: string | undefined
}

export interface WaitOptions {
  /** Monotonic time at which it is given up. */
  readonly until: number
  readonly seen: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Pauses between two looks, in milliseconds; the last is repeated. A switch takes some tens of them. */
const pausesMs = [2, 4, 8, 16, 25]
/** Whoever was refused at an open gate looks for a change so long, and then tries whether it is let in all the same. */
const stuckMs = 250

interface Waiter {
  readonly since: number
  readonly seen: string | undefined
  readonly resolve: (found: LetIn | undefined) => void
  readonly reject: (error: unknown) => void
}

/** Those who wait for one tenant at one place. */
export class Watch {
  readonly tenant: Tenant
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()
  /** Called in the turn in which the last one leaves: nobody joins a watch that is over. */
  readonly #onEmpty: () => void
  #triedAt: number

  constructor(tenant: Tenant, clock: Clock, onEmpty: () => void) {
    this.#onEmpty = onEmpty
    this.tenant = tenant
    this.#clock = clock
    this.#triedAt = clock.monotonic()
  }

  get size(): number {
    return this.#waiters.size
  }

  async join(tenant: Tenant, { seen, signal }: WaitOptions, leftMs: number): Promise<LetIn | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<LetIn | undefined>()
    const waiter: Waiter = { since: this.#clock.monotonic(), seen, resolve, reject }
    const abort = (): void => reject(aborted(signal))
    const timer = setTimeout(() => resolve(undefined), leftMs)
    signal?.addEventListener('abort', abort, { once: true })
    this.#waiters.add(waiter)
    try {
      const found = await promise
      // At the same place the caller's own is as good, and says which that is.
      return found === undefined || isSamePlace(found.tenant.placement, tenant.placement) ? found && { ...found, tenant } : found
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      this.#waiters.delete(waiter)
      if (this.#waiters.size === 0) this.#onEmpty()
    }
  }

  resolve(found: LetIn | undefined): void {
    for (const { resolve } of this.#waiters) resolve(found)
  }

  refuse(error: () => Error): void {
    for (const { reject } of this.#waiters) reject(error())
  }

  /**
   * Lets in who has not seen the gate so before; and now and then the others as well.
   *
   * @returns whether some were refused although the gate stood as it stands, for so long that something may be wrong.
   */
  letIn(gate: Gate): boolean {
    const seen = `${gate.state} ${gate.fence}`
    const now = this.#clock.monotonic()
    const isStuck = now - this.#triedAt >= stuckMs
    let wasRefused = false
    for (const waiter of this.#waiters) {
      const isNews = waiter.seen !== seen
      if (isNews || (isStuck && now - waiter.since >= stuckMs)) waiter.resolve({ tenant: this.tenant, seen })
      if (!isNews && isStuck) wasRefused = true
    }
    if (isStuck) this.#triedAt = now
    return wasRefused
  }
}

/** Asks again and again, for as long as somebody waits. What cannot be asked now may be a moment later; the waiters have a bound. */
export async function follow(watch: Watch, ask: () => Promise<void>): Promise<void> {
  // Not before the first waiter is there.
  await undefined
  for (let look = 0; watch.size > 0; look += 1) {
    await ask().catch(() => {})
    // Those who were let in leave in the same turn.
    if (watch.size > 0) await pause(pausesMs[Math.min(look, pausesMs.length - 1)]!)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
