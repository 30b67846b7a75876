// Fair admission in front of a pool of connections.
//
// A plain pool serves first come, first served: one tenant's flood raised its neighbours' 99th percentile by 11 to 658 times.
// Here each tenant waits in a line of its own, and four rules decide:
//  - the next free slot goes to the waiting tenant with the least *virtual time*: connection time divided by its weight
//    (start-time fair queueing, Goyal, Vin and Cheng, SIGCOMM 1996). A hold is charged at its start with what the tenant's
//    holds usually take, and corrected at its end; a tenant coming back from idleness gets no credit for it. The queue's own
//    virtual time advances with the service given, divided among the busy (as in weighted fair queueing): newcomers start
//    ever later, so that whoever waits is overtaken only for a while, and at equal times whoever came first goes first.
//  - a tenant holds at most its cap of slots. Alone it may use the pool but for a small reserve, so that a newcomer is
//    served at once; when others were active within the contention window, each has its weighted share of the pool, but
//    at least two slots; a flood (more calls waiting than there are slots) at least one.
//  - within a tenant, first come, first served.
//  - a tenant may have no more calls waiting than there is room left in the whole queue (dynamic thresholds, Choudhury and
//    Hahne, 1998): k floods leave 1/(k + 1) of the queue to everybody else.

import { AbortedError, AdmissionTimeoutError, ClosedError, ConfigurationError, OverloadedError, TenantBusyError } from '../errors.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Bounds, checkedBounds, type FairQueueOptions } from './fair-queue-bounds.ts'
import type { AcquireOptions, Slot } from './slot.ts'
import { IdleList, TenantLine, type Waiter } from './tenant-line.ts'
import { VirtualTimeHeap } from './virtual-time-heap.ts'

export interface FairQueueStats {
  readonly slots: number
  readonly inUse: number
  readonly waiting: number
  /** Tenants with state in memory: those with slots or waiters, and those idle within the contention window. */
  readonly tenants: number
  readonly idleTenants: number
}

/**
 * Gives out a fixed number of slots, fairly among tenants.
 *
 * @example
 * ```ts
 * const queue = new FairQueue({ slots: 10 })
 * const slot = queue.tryAcquire(tenant.id) ?? (await queue.acquire(tenant.id, { signal }))
 * try {
 *   await work()
 * } finally {
 *   slot.release()
 * }
 * ```
 */
export class FairQueue {
  readonly #bounds: Bounds
  readonly #clock: Clock
  readonly #tenants = new Map<string, TenantLine>()
  /** Tenants with waiters. */
  readonly #backlog = new VirtualTimeHeap<TenantLine>()
  /** Tenants without slots and waiters, the longest idle first. */
  readonly #idle = new IdleList()
  #weights = 0
  #inUse = 0
  #waiting = 0
  /** Where a newcomer begins: the start tag of the latest grant, or later by the service given since. */
  #virtualTime = 0
  /** Tenants that have joined the backlog, ever: the order among equals. */
  #arrivals = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #closed = false

  /** @throws {ConfigurationError} when a bound is not a number in its range. */
  constructor(options: FairQueueOptions) {
    this.#bounds = checkedBounds(options)
    this.#clock = options.clock ?? systemClock
  }

  /**
   * A slot, if one is free for this tenant now: the path of almost every call, without a promise.
   *
   * @returns undefined when the call would have to wait.
   * @throws {ClosedError}
   */
  tryAcquire(tenantId: string, weight = 1): Slot | undefined {
    if (this.#closed) throw closed()
    const now = this.#clock.monotonic()
    this.#forgetIdle(now)
    const tenant = this.#arrive(tenantId, weight)
    // Whoever waits while a slot is free is at its cap; a tenant's own waiters come first.
    if (tenant.waiting === 0 && this.#inUse < this.#bounds.slots && tenant.inUse < this.#cap(tenant)) return this.#grant(tenant, now)
    this.#rest(tenant, now)
    return undefined
  }

  /**
   * A slot, now or when it is this tenant's turn. Resolves in the caller's own async context, whoever releases the slot.
   *
   * @throws {TenantBusyError} when the tenant has as many calls waiting as it may.
   * @throws {OverloadedError} when the whole queue is full.
   * @throws {AdmissionTimeoutError} at the deadline.
   * @throws {AbortedError} when the signal fires first.
   * @throws {ClosedError}
   */
  async acquire(tenantId: string, options: AcquireOptions = {}): Promise<Slot> {
    const { weight = 1, deadlineMs = this.#bounds.deadlineMs, signal } = options
    if (signal?.aborted === true) throw aborted(signal)
    const slot = this.tryAcquire(tenantId, weight)
    if (slot !== undefined) return slot
    if (Number.isNaN(deadlineMs)) throw new ConfigurationError('deadlineMs is not a number.')
    const now = this.#clock.monotonic()
    const tenant = this.#arrive(tenantId, weight)
    try {
      this.#assertRoom(tenant)
    } catch (error) {
      this.#rest(tenant, now)
      throw error
    }
    return this.#wait(tenant, now, deadlineMs, signal)
  }

  stats(): FairQueueStats {
    return {
      slots: this.#bounds.slots,
      inUse: this.#inUse,
      waiting: this.#waiting,
      tenants: this.#tenants.size,
      idleTenants: this.#idle.size,
    }
  }

  /** Refuses whoever waits and whoever comes. Slots that were given stay valid until they are released. */
  close(): void {
    this.#closed = true
    for (const tenant of [...this.#backlog]) {
      while (tenant.first !== undefined) this.#refuse(tenant.first, closed())
    }
    this.#setTimer(Number.POSITIVE_INFINITY, 0)
  }

  // ── Arrivals ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The tenant's state, as at the arrival of a call. Idleness earns nothing: virtual time starts at the queue's. */
  #arrive(tenantId: string, weight: number): TenantLine {
    let tenant = this.#tenants.get(tenantId)
    if (tenant === undefined) {
      if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) throw invalidWeight(weight)
      tenant = new TenantLine(tenantId, weight)
      this.#tenants.set(tenantId, tenant)
      this.#weights += weight
    } else {
      if (tenant.inUse === 0 && tenant.waiting === 0) this.#idle.remove(tenant)
      if (tenant.weight !== weight) this.#reweigh(tenant, weight)
    }
    if (tenant.waiting === 0 && tenant.virtualTime < this.#virtualTime) tenant.virtualTime = this.#virtualTime
    return tenant
  }

  #reweigh(tenant: TenantLine, weight: number): void {
    if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) throw invalidWeight(weight)
    this.#weights += weight - tenant.weight
    tenant.weight = weight
  }

  #assertRoom(tenant: TenantLine): void {
    const { tenantWaitingMax, waitingMax } = this.#bounds
    if (this.#waiting >= waitingMax) {
      throw new OverloadedError(`The admission queue is full: ${this.#waiting} calls wait (waitingMax ${waitingMax}).`, {
        details: { bound: 'waitingMax', value: waitingMax },
      })
    }
    if (tenant.waiting >= tenantWaitingMax) {
      throw new TenantBusyError(`Tenant ${tenant.id} has ${tenant.waiting} calls waiting (tenantWaitingMax ${tenantWaitingMax}).`, {
        details: { bound: 'tenantWaitingMax', value: tenantWaitingMax, tenantId: tenant.id },
      })
    }
    const room = waitingMax - this.#waiting
    if (tenant.waiting >= room) {
      throw new TenantBusyError(
        `Tenant ${tenant.id} has ${tenant.waiting} calls waiting, as many as there is room for anybody else (waitingMax ${waitingMax}).`,
        { details: { bound: 'waitingMax', value: waitingMax, room, tenantId: tenant.id } },
      )
    }
  }

  #wait(tenant: TenantLine, now: number, deadlineMs: number, signal: AbortSignal | undefined): Promise<Slot> {
    return new Promise<Slot>((resolve, reject) => {
      const waiter: Waiter = {
        tenant,
        resolve,
        reject,
        deadline: now + deadlineMs,
        deadlineMs,
        unlisten: undefined,
        previous: undefined,
        next: undefined,
      }
      if (signal !== undefined) {
        const onAbort = () => this.#refuse(waiter, aborted(signal))
        signal.addEventListener('abort', onAbort, { once: true })
        waiter.unlisten = () => signal.removeEventListener('abort', onAbort)
      }
      tenant.append(waiter)
      this.#waiting += 1
      if (tenant.heapIndex < 0) {
        this.#arrivals += 1
        tenant.arrival = this.#arrivals
        this.#backlog.push(tenant)
      }
      this.#wakeBy(waiter.deadline, now)
      // A tenant at its cap while slots are free may go on when its neighbours' contention window ends.
      if (this.#inUse < this.#bounds.slots) this.#wakeBy(this.#nextForgetting(), now)
    })
  }

  // ── Grants and releases ──────────────────────────────────────────────────────────────────────────────────────────────

  /** How many slots the tenant may hold, as things stand. */
  #cap(tenant: TenantLine): number {
    const { shareable, tenantSlotsMin, tenantSlotsContendedMax, tenantSlotsFloodingMin, slots } = this.#bounds
    if (this.#tenants.size <= 1) return shareable
    const share = Math.floor((shareable * tenant.weight) / this.#weights)
    // More calls wait than there are slots: a flood. Its share is its share, however small: each slot that it holds is a
    // processor that its neighbours wait for.
    const least = tenant.waiting > slots ? tenantSlotsFloodingMin : tenantSlotsMin
    return Math.min(Math.max(least, Math.min(share, tenantSlotsContendedMax)), shareable)
  }

  #grant(tenant: TenantLine, now: number): Slot {
    this.#inUse += 1
    tenant.inUse += 1
    if (tenant.virtualTime > this.#virtualTime) this.#virtualTime = tenant.virtualTime
    const charge = tenant.usualHoldMs / tenant.weight
    tenant.virtualTime += charge
    return new GrantedSlot(this.#releaseSlot, tenant, now, charge)
  }

  readonly #releaseSlot = (tenant: TenantLine, grantedAt: number, charge: number): void => {
    const now = this.#clock.monotonic()
    const heldMs = now - grantedAt
    this.#virtualTime += heldMs / Math.max(this.#weights - this.#idle.weight, tenant.weight)
    this.#inUse -= 1
    tenant.inUse -= 1
    tenant.usualHoldMs += (heldMs - tenant.usualHoldMs) * holdSmoothing
    tenant.virtualTime += heldMs / tenant.weight - charge
    if (tenant.heapIndex >= 0) this.#backlog.moved(tenant)
    this.#rest(tenant, now)
    this.#forgetIdle(now)
    if (this.#waiting > 0) this.#dispatch(now)
  }

  /** Gives free slots to waiters: the least virtual time first, passing over tenants that are at their cap. */
  #dispatch(now: number): void {
    let atCap: TenantLine[] | undefined
    while (this.#inUse < this.#bounds.slots) {
      const tenant = this.#backlog.pop()
      if (tenant === undefined) break
      if (tenant.inUse >= this.#cap(tenant)) {
        // Each of these holds a slot, so there are no more of them than slots.
        atCap ??= []
        atCap.push(tenant)
        continue
      }
      this.#admitFirst(tenant, now)
      if (tenant.waiting > 0 && tenant.heapIndex < 0) this.#backlog.push(tenant)
    }
    if (atCap === undefined) return
    for (const tenant of atCap) this.#backlog.push(tenant)
    if (this.#inUse < this.#bounds.slots) this.#wakeBy(this.#nextForgetting(), now)
  }

  #admitFirst(tenant: TenantLine, now: number): void {
    const waiter = tenant.first as Waiter
    if (waiter.deadline <= now) {
      this.#refuse(waiter, timedOut(waiter))
      return
    }
    this.#leave(waiter)
    waiter.resolve(this.#grant(tenant, now))
  }

  /** Takes a waiter out of its line. The tenant may be idle afterwards. */
  #leave(waiter: Waiter): void {
    waiter.unlisten?.()
    waiter.tenant.unlink(waiter)
    this.#waiting -= 1
    if (waiter.tenant.waiting === 0 && waiter.tenant.heapIndex >= 0) this.#backlog.remove(waiter.tenant)
  }

  #refuse(waiter: Waiter, error: Error): void {
    this.#leave(waiter)
    this.#rest(waiter.tenant, this.#clock.monotonic())
    waiter.reject(error)
  }

  // ── Forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Notes that a tenant has neither slots nor waiters. */
  #rest(tenant: TenantLine, now: number): void {
    if (tenant.inUse > 0 || tenant.waiting > 0) return
    tenant.idleSince = now
    this.#idle.append(tenant)
    if (this.#idle.size > this.#bounds.idleTenantsMax) this.#forget(this.#idle.first as TenantLine)
  }

  /** Drops tenants whose contention window has ended: a few at each call, so that no call pays for all. */
  #forgetIdle(now: number): void {
    const forgettable = now - this.#bounds.contentionWindowMs
    const before = this.#tenants.size
    for (let count = 0; count < forgottenPerCall; count += 1) {
      const tenant = this.#idle.first
      if (tenant === undefined || tenant.idleSince > forgettable) break
      this.#forget(tenant)
    }
    if (this.#waiting > 0 && this.#tenants.size < before) this.#dispatch(now)
  }

  #forget(tenant: TenantLine): void {
    this.#idle.remove(tenant)
    this.#tenants.delete(tenant.id)
    // Sums of fractions drift; an empty sum is where they are put right.
    this.#weights = this.#tenants.size === 0 ? 0 : this.#weights - tenant.weight
  }

  #nextForgetting(): number {
    const first = this.#idle.first
    return first === undefined ? Number.POSITIVE_INFINITY : first.idleSince + this.#bounds.contentionWindowMs
  }

  // ── The one timer ────────────────────────────────────────────────────────────────────────────────────────────────────

  #wakeBy(at: number, now: number): void {
    // Compared after rounding: a time that is past already must not put the timer off again and again.
    if (Math.max(at, now + timerStepMs) < this.#timerAt) this.#setTimer(at, now)
  }

  #setTimer(at: number, now: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    this.#timerAt = Math.max(at, now + timerStepMs)
    this.#timer = setTimeout(this.#onTimer, Math.min(this.#timerAt - now, timerDelayMax))
    this.#timer.unref()
  }

  readonly #onTimer = (): void => {
    const now = this.#clock.monotonic()
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#refuseExpired(now)
    this.#forgetIdle(now)
    let next = this.#inUse < this.#bounds.slots && this.#waiting > 0 ? this.#nextForgetting() : Number.POSITIVE_INFINITY
    for (const tenant of this.#backlog) {
      for (let waiter = tenant.first; waiter !== undefined; waiter = waiter.next) next = Math.min(next, waiter.deadline)
    }
    this.#setTimer(next, now)
  }

  #refuseExpired(now: number): void {
    for (const tenant of [...this.#backlog]) {
      let waiter = tenant.first
      while (waiter !== undefined) {
        const { next } = waiter
        if (waiter.deadline <= now) this.#refuse(waiter, timedOut(waiter))
        waiter = next
      }
    }
  }
}

/** How fast the usual hold follows the latest one. */
const holdSmoothing = 0.2
const forgottenPerCall = 16
/** Deadlines are kept to within this. */
const timerStepMs = 10
/** The longest delay that setTimeout takes. */
const timerDelayMax = 2 ** 31 - 1

class GrantedSlot implements Slot {
  #release: ((tenant: TenantLine, grantedAt: number, charge: number) => void) | undefined
  readonly #tenant: TenantLine
  readonly #grantedAt: number
  readonly #charge: number

  constructor(
    release: (tenant: TenantLine, grantedAt: number, charge: number) => void,
    tenant: TenantLine,
    grantedAt: number,
    charge: number,
  ) {
    this.#release = release
    this.#tenant = tenant
    this.#grantedAt = grantedAt
    this.#charge = charge
  }

  release(): void {
    const release = this.#release
    // A second release would hand one connection to two callers.
    if (release === undefined) return
    this.#release = undefined
    release(this.#tenant, this.#grantedAt, this.#charge)
  }
}

function invalidWeight(weight: number): ConfigurationError {
  return new ConfigurationError(`The weight of a tenant is ${weight}. Give a number above 0.`)
}

function aborted(signal: AbortSignal): AbortedError {
  return new AbortedError('The signal was aborted while the call waited for a connection.', { cause: signal.reason })
}

function timedOut(waiter: Waiter): AdmissionTimeoutError {
  return new AdmissionTimeoutError(`The call waited ${waiter.deadlineMs} ms for a connection (deadlineMs ${waiter.deadlineMs}).`, {
    details: { bound: 'deadlineMs', value: waiter.deadlineMs, tenantId: waiter.tenant.id },
  })
}

function closed(): ClosedError {
  return new ClosedError('The admission queue is closed.')
}
