// What an operation tells while it runs: plain objects, for a terminal, a log line or a stream of JSON.

import type { TenantId } from '../core/tenant.ts'
import type { OperationId } from './journal.ts'

interface EventOfOperation {
  readonly operation: OperationId
  readonly operationKind: string
  readonly tenantId: TenantId
  readonly step: string
  /** ISO 8601. */
  readonly at: string
}

/** A step began, ended or failed. `done` is told before it is written down: it may come twice, after a kill. */
export interface StepEvent extends EventOfOperation {
  readonly kind: 'step'
  readonly state: 'started' | 'waiting' | 'done' | 'failed'
  readonly message?: string
}

/** Something on the way, inside a step. */
export interface ProgressEvent extends EventOfOperation {
  readonly kind: 'progress'
  readonly message: string
}

export type OperationEvent = StepEvent | ProgressEvent

/** Told of events as they happen. It has no say: what it throws is dropped. */
export type OperationListener = (event: OperationEvent) => void
