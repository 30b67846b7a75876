// What a tenancy tells of its own work, for meters, metrics and traces: how much, for whom, and how long; never what.

import type { Tenant } from './tenant.ts'
import type { TenantContext } from './tenant-context.ts'

/** What one hold of a connection cost: a statement, or a transaction with all that was in it. */
export interface LeaseCost {
  readonly context: TenantContext
  /** For a turn and a connection, in milliseconds. */
  readonly waitMs: number
  /** How long a connection was this tenant's alone, in milliseconds. */
  readonly heldMs: number
  readonly statements: number
  /** Returned or changed. */
  readonly rows: number
  /** Over the wire, with what the protocol adds. */
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** What one attempt at a job, or at the delivery of an event, took. */
export interface WorkCost {
  readonly kind: 'job' | 'event'
  readonly tenant: Tenant
  /** Of the job, or of the event's subscriber. */
  readonly name: string
  readonly ms: number
  readonly outcome: 'done' | 'failed' | 'ended'
}

/**
 * Hears of each as it ends, in whatever context that is, and before anybody else does: it has to be quick. What it throws is told once a
 * minute, as a warning, and changes nothing.
 */
export interface TenancyObserver {
  onLease?(cost: LeaseCost): void
  onWork?(cost: WorkCost): void
}

/** @returns one that tells them all; undefined for none, so that nothing is measured. */
export function observersOf(observers: readonly TenancyObserver[], warn: (error: unknown) => void): Required<TenancyObserver> | undefined {
  if (observers.length === 0) return undefined
  const tell = (fn: (observer: TenancyObserver) => void): void => {
    for (const observer of observers) {
      try {
        fn(observer)
      } catch (error) {
        warn(error)
      }
    }
  }
  return {
    onLease: (cost) => tell((observer) => observer.onLease?.(cost)),
    onWork: (cost) => tell((observer) => observer.onWork?.(cost)),
  }
}
