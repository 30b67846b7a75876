// The bounds of the fair queue: what may be configured, what it is otherwise, and what is refused.

import { ConfigurationError } from '../errors.ts'
import type { Clock } from './clock.ts'

/** Every bound of the queue, by name. */
export interface FairQueueOptions {
  /** Slots to give out: the size of the pool behind the queue. At least 1. */
  readonly slots: number
  /** Default: the system's. */
  readonly clock?: Clock | undefined
  /** Slots that one tenant alone cannot take. Default 1 when there are 4 slots or more, else 0. */
  readonly reservedSlots?: number | undefined
  /** What a tenant's cap never falls below, however many tenants are active. Default 2. */
  readonly tenantSlotsMin?: number | undefined
  /** What a tenant's cap never exceeds while other tenants are active. Default: `slots`, that is, its weighted share decides. */
  readonly tenantSlotsContendedMax?: number | undefined
  /** The same for a tenant of which more calls wait than there are slots. Default 1. */
  readonly tenantSlotsFloodingMin?: number | undefined
  /** For how long after its last call a tenant counts as active. Default 500. */
  readonly contentionWindowMs?: number | undefined
  /** Calls of one tenant that may wait. Default 1,000. */
  readonly tenantWaitingMax?: number | undefined
  /** Calls that may wait altogether. Default 10,000. */
  readonly waitingMax?: number | undefined
  /** For how long a call waits at most, to within 10 ms. Default 10,000. */
  readonly deadlineMs?: number | undefined
  /** Idle tenants that are remembered within the contention window. Default 10,000. */
  readonly idleTenantsMax?: number | undefined
}

/** The bounds, complete and checked. */
export interface Bounds {
  readonly slots: number
  /** What a tenant may have alone: the slots without the reserve. */
  readonly shareable: number
  readonly tenantSlotsMin: number
  readonly tenantSlotsContendedMax: number
  readonly tenantSlotsFloodingMin: number
  readonly contentionWindowMs: number
  readonly tenantWaitingMax: number
  readonly waitingMax: number
  readonly deadlineMs: number
  readonly idleTenantsMax: number
}

/** @throws {ConfigurationError} naming the bound that is out of range. */
export function checkedBounds(options: FairQueueOptions): Bounds {
  const { slots } = options
  const reservedSlots = options.reservedSlots ?? (slots >= 4 ? 1 : 0)
  assertWhole('slots', slots, 1)
  assertWhole('reservedSlots', reservedSlots, 0)
  if (reservedSlots >= slots)
    throw new ConfigurationError(`reservedSlots is ${reservedSlots} of ${slots} slots: nothing is left for a tenant.`)
  const bounds: Bounds = {
    slots,
    shareable: slots - reservedSlots,
    tenantSlotsMin: options.tenantSlotsMin ?? 2,
    tenantSlotsContendedMax: options.tenantSlotsContendedMax ?? slots,
    tenantSlotsFloodingMin: options.tenantSlotsFloodingMin ?? 1,
    contentionWindowMs: options.contentionWindowMs ?? 500,
    tenantWaitingMax: options.tenantWaitingMax ?? 1_000,
    waitingMax: options.waitingMax ?? 10_000,
    deadlineMs: options.deadlineMs ?? 10_000,
    idleTenantsMax: options.idleTenantsMax ?? 10_000,
  }
  assertWhole('tenantSlotsMin', bounds.tenantSlotsMin, 1)
  assertWhole('tenantSlotsFloodingMin', bounds.tenantSlotsFloodingMin, 1)
  assertWhole('tenantSlotsContendedMax', bounds.tenantSlotsContendedMax, 1)
  assertWhole('contentionWindowMs', bounds.contentionWindowMs, 0)
  assertWhole('tenantWaitingMax', bounds.tenantWaitingMax, 0)
  assertWhole('waitingMax', bounds.waitingMax, 0)
  assertWhole('deadlineMs', bounds.deadlineMs, 0)
  assertWhole('idleTenantsMax', bounds.idleTenantsMax, 0)
  return bounds
}

function assertWhole(name: string, value: number, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return
  throw new ConfigurationError(`${name} is ${value}. Give a whole number of at least ${min}.`)
}
