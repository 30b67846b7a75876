// What the fair queue keeps of one tenant, in lists without allocation: its waiters, and its place among the idle tenants.

import type { Slot } from './slot.ts'

/** One call that waits. */
export interface Waiter {
  readonly tenant: TenantLine
  readonly resolve: (slot: Slot) => void
  readonly reject: (error: Error) => void
  readonly deadline: number
  readonly deadlineMs: number
  unlisten: (() => void) | undefined
  previous: Waiter | undefined
  next: Waiter | undefined
}

/** What the queue knows of a tenant: its account, and its line as a linked list, since a waiter may leave from the middle. */
export class TenantLine {
  readonly id: string
  weight: number
  virtualTime = 0
  usualHoldMs = 1
  inUse = 0
  waiting = 0
  first: Waiter | undefined = undefined
  last: Waiter | undefined = undefined
  heapIndex = -1
  /** When it joined the backlog, as a count. */
  arrival = 0
  idleSince = 0
  idlePrevious: TenantLine | undefined = undefined
  idleNext: TenantLine | undefined = undefined

  constructor(id: string, weight: number) {
    this.id = id
    this.weight = weight
  }

  append(waiter: Waiter): void {
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
    this.waiting += 1
  }

  unlink(waiter: Waiter): void {
    if (waiter.previous === undefined) this.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) this.last = waiter.previous
    else waiter.next.previous = waiter.previous
    this.waiting -= 1
  }
}

/** Idle tenants in the order in which they became idle: a linked list through the tenants, so that a call allocates nothing. */
export class IdleList {
  size = 0
  /** The sum of their weights. */
  weight = 0
  first: TenantLine | undefined = undefined
  #last: TenantLine | undefined = undefined

  append(tenant: TenantLine): void {
    tenant.idlePrevious = this.#last
    tenant.idleNext = undefined
    if (this.#last === undefined) this.first = tenant
    else this.#last.idleNext = tenant
    this.#last = tenant
    this.size += 1
    this.weight += tenant.weight
  }

  remove(tenant: TenantLine): void {
    if (tenant.idlePrevious === undefined) this.first = tenant.idleNext
    else tenant.idlePrevious.idleNext = tenant.idleNext
    if (tenant.idleNext === undefined) this.#last = tenant.idlePrevious
    else tenant.idleNext.idlePrevious = tenant.idlePrevious
    tenant.idlePrevious = undefined
    tenant.idleNext = undefined
    this.size -= 1
    // Sums of fractions drift; an empty sum is where they are put right.
    this.weight = this.size === 0 ? 0 : this.weight - tenant.weight
  }
}
