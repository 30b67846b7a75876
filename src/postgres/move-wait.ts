// Waiting for a tenant that is being switched from one place to another, so that the application sees latency and no errors.
//
//   refused (PW005) ──► wait ──► its gate lets it in again      ──► try again there
//                         │  └─► the catalog has another place  ──► try again there
//                         └────► the bound is over               ──► the refusal, as it was
//
// However many statements wait, two questions are asked for them all, of the tenant's gate and of the catalog, each in a loop of
// its own: a server that is silent must not keep the other from being heard. Whoever waits holds neither a connection nor a slot.
//
// A fence whose mover is dead is given up by whoever waits for it: the catalog first, so that nothing can be committed behind it,
// and then the gate.

import type { Clock } from '../core/clock.ts'
import type { Placement } from '../core/placement.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import { ClosedError, ConfigurationError, OverloadedError, TenantBusyError } from '../errors.ts'
import type { Gate } from './capabilities.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'
import { aborted } from './watchdog.ts'

export interface MoveWaitOptions {
  readonly databases: TenantDatabases
  readonly clock: Clock
  /** How long one call waits altogether, in milliseconds: 0 to 60,000; default 5,000. 0 for not at all. */
  readonly movingWaitMs?: number | undefined
  /** Calls of one tenant that may wait. Default 1,000. */
  readonly tenantWaitingMax?: number | undefined
  /** Calls that may wait altogether. Default 10,000. */
  readonly waitingMax?: number | undefined
}

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

/** One for all leases of a process. */
export class MoveWait {
  readonly movingWaitMs: number
  readonly clock: Clock
  readonly #databases: TenantDatabases
  readonly #tenantWaitingMax: number
  readonly #waitingMax: number
  readonly #watches = new Map<string, Watch>()
  readonly #locating = new Map<TenantId, Promise<Tenant | undefined>>()
  #waiting = 0
  #isClosed = false

  /** @throws {ConfigurationError} */
  constructor(options: MoveWaitOptions) {
    const { movingWaitMs = 5_000 } = options
    if (!(movingWaitMs >= 0 && movingWaitMs <= 60_000)) {
      throw new ConfigurationError(`movingWaitMs is ${movingWaitMs}; it must be between 0 and 60,000.`)
    }
    this.movingWaitMs = movingWaitMs
    this.clock = options.clock
    this.#databases = options.databases
    this.#tenantWaitingMax = options.tenantWaitingMax ?? 1_000
    this.#waitingMax = options.waitingMax ?? 10_000
  }

  /** Calls that wait: for metrics and tests. */
  get waiting(): number {
    return this.#waiting
  }

  /** Tenants that are waited for. */
  get watched(): number {
    return this.#watches.size
  }

  /** The tenant as the catalog has it now: asked once for all who ask at the same time. */
  async locate(tenant: Tenant): Promise<Tenant | undefined> {
    const running = this.#locating.get(tenant.id)
    if (running !== undefined) return await running
    const locating = runOutside(() => this.#databases.locate(tenant)).finally(() => this.#locating.delete(tenant.id))
    this.#locating.set(tenant.id, locating)
    return await locating
  }

  /**
   * Waits until the tenant, refused at the place given, may be let in there or is in another.
   *
   * @returns undefined when that takes too long, or there is no such tenant any more.
   * @throws {TenantBusyError} {@link OverloadedError} when as many calls wait as may.
   * @throws {AbortedError} when the signal fires first. {@link ClosedError}
   */
  async wait(tenant: Tenant, options: WaitOptions): Promise<LetIn | undefined> {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    if (options.signal?.aborted === true) throw aborted(options.signal)
    const leftMs = options.until - this.clock.monotonic()
    if (leftMs <= 0) return undefined
    this.#assertRoom(tenant)
    const watch = this.#watchOf(tenant)
    this.#waiting += 1
    try {
      return await watch.join(tenant, options, leftMs)
    } finally {
      this.#waiting -= 1
    }
  }

  /** Refuses whoever waits. */
  close(): void {
    this.#isClosed = true
    for (const watch of this.#watches.values()) watch.refuse(() => new ClosedError('The tenancy was closed meanwhile.'))
  }

  #assertRoom({ id }: Tenant): void {
    if (this.#waiting >= this.#waitingMax) {
      throw new OverloadedError(`${this.#waiting} calls wait for tenants that are being moved (waitingMax ${this.#waitingMax}).`, {
        details: { bound: 'waitingMax', value: this.#waitingMax },
      })
    }
    let own = 0
    for (const watch of this.#watches.values()) if (watch.tenant.id === id) own += watch.size
    if (own < this.#tenantWaitingMax) return
    throw new TenantBusyError(`Tenant ${id} is being moved, and ${own} of its calls wait (tenantWaitingMax ${this.#tenantWaitingMax}).`, {
      details: { bound: 'tenantWaitingMax', value: this.#tenantWaitingMax, tenantId: id },
    })
  }

  #watchOf(tenant: Tenant): Watch {
    const key = keyOf(tenant)
    const found = this.#watches.get(key)
    if (found !== undefined) return found
    const watch = new Watch(tenant, this.clock, () => this.#watches.delete(key))
    this.#watches.set(key, watch)
    // Whoever comes first starts it for all, so it is nobody's context.
    runOutside(() => {
      void follow(watch, () => this.#askGate(watch))
      void follow(watch, () => this.#askCatalog(watch))
    })
    return watch
  }

  async #askGate(watch: Watch): Promise<void> {
    const { tenant } = watch
    const database = await this.#databases.get(tenant)
    const gate = await database.capabilities.gateOf(tenant.id)
    // No gate any more: then the catalog knows where it is.
    if (gate === undefined) return
    switch (gate.state) {
      case 'fenced':
        if (gate.isOverdue) await this.#giveUpFence(tenant, database)
        return
      case 'moved':
        return
      default: {
        const isAnnounced = watch.letIn(gate)
        // New writes were asked to wait by a mover that then died: nothing else would ever let them in.
        if (isAnnounced && gate.state === 'moving') await this.#giveUpFence(tenant, database)
      }
    }
  }

  async #giveUpFence({ id }: Tenant, database: TenantDatabase): Promise<void> {
    const fence = await this.#databases.expireFence(id)
    if (fence !== undefined) await database.capabilities.reopenGate(id, fence)
  }

  async #askCatalog(watch: Watch): Promise<void> {
    const now = await this.locate(watch.tenant)
    if (now === undefined) watch.resolve(undefined)
    else if (!isSamePlace(now.placement, watch.tenant.placement)) {
      const left = this.#databases.tryGet(watch.tenant)
      // Its connections serve nobody any more; those of a shared one serve the neighbours.
      if (left?.holds === 'tenant') left.pool.drain()
      watch.resolve({ tenant: now, seen: undefined })
    }
  }
}

/** Is it the same place of rows? */
export function isSamePlace(a: Placement, b: Placement): boolean {
  return a.database === b.database && a.server === b.server && a.schema === b.schema
}

function keyOf({ id, placement }: Tenant): string {
  return `${id} ${placement.database} ${placement.server}`
}

interface Waiter {
  readonly since: number
  readonly seen: string | undefined
  readonly resolve: (found: LetIn | undefined) => void
  readonly reject: (error: unknown) => void
}

/** Those who wait for one tenant at one place. */
class Watch {
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
async function follow(watch: Watch, ask: () => Promise<void>): Promise<void> {
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
