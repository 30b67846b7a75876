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

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { isSamePlace } from '../core/placement.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import { ClosedError, ConfigurationError, OverloadedError, TenantBusyError } from '../errors.ts'
import { follow, type LetIn, type WaitOptions, Watch } from './move-watch.ts'
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

/** Tenants whose new place is remembered. For others each statement of an old context is refused first. */
const arrivedMax = 1_000

/** One for all leases of a process. */
export class MoveWait {
  readonly movingWaitMs: number
  readonly clock: Clock
  readonly #databases: TenantDatabases
  readonly #tenantWaitingMax: number
  readonly #waitingMax: number
  readonly #watches = new Map<string, Watch>()
  /** Tenants that were found elsewhere than somebody believed: a context may be older than the move, and live on for hours. */
  readonly #arrived = new LRUCache<TenantId, Tenant>({ max: arrivedMax })
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

  /** The tenant as it was found last, where that is newer. Nobody is asked. */
  newest(tenant: Tenant): Tenant {
    if (this.#arrived.size === 0) return tenant
    const arrived = this.#arrived.get(tenant.id)
    return arrived !== undefined && arrived.epoch > tenant.epoch ? arrived : tenant
  }

  /** The tenant as the catalog has it now: asked once for all who ask at the same time. */
  async locate(tenant: Tenant): Promise<Tenant | undefined> {
    const running = this.#locating.get(tenant.id)
    if (running !== undefined) return await running
    const locating = runOutside(() => this.#find(tenant)).finally(() => this.#locating.delete(tenant.id))
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

  async #find(tenant: Tenant): Promise<Tenant | undefined> {
    const now = await this.#databases.locate(tenant)
    if (now !== undefined && !isSamePlace(now.placement, tenant.placement)) this.#arrived.set(now.id, now)
    return now
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

function keyOf({ id, placement }: Tenant): string {
  return `${id} ${placement.database} ${placement.server}`
}
