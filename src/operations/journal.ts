// The journal: which operations there are, and how far each has come. A port with two adapters (operations/memory-journal.ts,
// postgres/operation-journal.ts) and one conformance suite (test/operations/journal-conformance.ts).
//
//               claim (due)          ┌──────── settle ────────► done
//   waiting ──────────────────┐      │
//      ▲                      ▼      │        cancelling, and undone
//      └────── settle ───── running ─┼──────── settle ────────► cancelled
//                           ▲  ▲     │
//   begin ──────────────────┘  │     └──────── settle ────────► failed ──► claim (retry), or cancel
//                              └── claim, when its owner is dead
//
// A write counts only with the claim (owner and attempt) under which the work is done: a runner that lost its lease to another
// can write nothing any more, however late it wakes up.

import type { Actor } from '../core/actor.ts'
import type { Json, TenantId } from '../core/tenant.ts'

declare const brand: unique symbol

/** An operation's id: a uuid, version 7, in its canonical form. */
export type OperationId = string & { readonly [brand]: 'OperationId' }

/**
 * `running`: somebody works on it, or will take it over. `waiting`: until `wakeAt`. `failed`: to be repeated or cancelled by a
 * person; both keep other operations of the tenant out. `done` and `cancelled` are the ends.
 */
export type OperationState = 'running' | 'waiting' | 'failed' | 'done' | 'cancelled'

/** What became of one step. Without a record it has not begun. */
export interface StepRecord {
  readonly state: 'started' | 'waiting' | 'done' | 'failed'
  /** ISO 8601, by the runner's clock. */
  readonly startedAt: string
  readonly endedAt?: string
  /** What later steps need of it. */
  readonly output?: Json
}

export type StepRecords = Readonly<Record<string, StepRecord>>

/** Why an operation failed, for people. */
export interface OperationProblem {
  readonly step: string
  readonly code: string
  readonly message: string
}

/** An operation, as the journal has it. */
export interface Operation {
  readonly id: OperationId
  readonly tenantId: TenantId
  readonly kind: string
  readonly state: OperationState
  /** Its steps are being undone, or will be. */
  readonly cancelling: boolean
  readonly input: Readonly<Record<string, Json>>
  readonly steps: StepRecords
  readonly actor: Actor
  readonly reason: string
  readonly owner: string
  /** Grows by one each time that somebody takes it up. */
  readonly attempt: number
  readonly error: OperationProblem | undefined
  readonly wakeAt: Date | undefined
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly finishedAt: Date | undefined
}

export interface NewOperation {
  readonly id: OperationId
  readonly tenantId: TenantId
  readonly kind: string
  readonly input: Readonly<Record<string, Json>>
  readonly steps: StepRecords
  readonly actor: Actor
  readonly reason: string
  readonly owner: string
}

/** Under which the work is done. */
export type Claim = Pick<Operation, 'id' | 'owner' | 'attempt'>

/** How an operation is put down. */
export interface Settlement {
  readonly state: Exclude<OperationState, 'running'>
  readonly steps?: StepRecords | undefined
  /** Of a waiting one: how long. */
  readonly wakeMs?: number | undefined
  readonly error?: OperationProblem | undefined
}

export interface OperationListOptions {
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
  /** Older than this one. */
  readonly before?: OperationId | undefined
  readonly tenantId?: TenantId | undefined
  readonly kind?: string | undefined
  readonly state?: OperationState | undefined
}

/** All times are by the journal's own clock: runners' clocks may differ. */
export interface OperationJournal {
  /**
   * Opens an operation, owned for `leaseMs`. A failed operation of the tenant of one of the kinds in `supersedes` gives way: it is
   * cancelled.
   *
   * @throws {OperationInProgressError} when another operation of the tenant is not over.
   */
  begin(operation: NewOperation, leaseMs: number, supersedes?: readonly string[]): Promise<Operation>
  /**
   * Takes up an operation that nobody works on: its owner is dead, its wait is over, it is being cancelled, or, with `failed`, it failed.
   *
   * @returns undefined when it cannot be had, or is not there.
   */
  claim(
    id: OperationId,
    owner: string,
    leaseMs: number,
    options?: { readonly failed?: boolean | undefined },
  ): Promise<Operation | undefined>
  /** Takes up one that is due, whichever; a failed one never. Two that ask at once get two. */
  claimDue(owner: string, leaseMs: number): Promise<Operation | undefined>
  /** @returns false when the claim is lost. */
  extend(claim: Claim, leaseMs: number): Promise<boolean>
  /**
   * Writes what is done and what starts. While it is cancelling, a step forward does not start: `next` is left out, unless `isUndo`.
   *
   * @returns undefined when the claim is lost; otherwise whether it is being cancelled.
   */
  record(
    claim: Claim,
    done: StepRecords,
    next: StepRecords,
    options?: { readonly isUndo?: boolean | undefined },
  ): Promise<{ readonly cancelling: boolean } | undefined>
  /** Puts the operation down. @returns it as it stands then; undefined when the claim is lost. */
  settle(claim: Claim, settlement: Settlement): Promise<Operation | undefined>
  /** Gives the claim back, so that anybody may go on at once. */
  release(claim: Claim): Promise<void>
  /**
   * Asks that an operation be undone, unless one of the `finalSteps` has begun.
   *
   * @returns undefined when it is over, or such a step has begun.
   */
  cancel(id: OperationId, finalSteps: readonly string[]): Promise<Operation | undefined>
  /** @returns undefined when there is none. */
  find(id: OperationId): Promise<Operation | undefined>
  /** The operation of the tenant that is not over. */
  findOpen(tenantId: TenantId): Promise<Operation | undefined>
  /** The newest first. */
  list(options?: OperationListOptions): Promise<readonly Operation[]>
  /** Forgets inputs, outputs, reasons and messages of the tenant's operations but this one. @returns how many had any. */
  redact(tenantId: TenantId, except: OperationId): Promise<number>
}

/** Not over. */
export const openStates: readonly OperationState[] = Object.freeze(['running', 'waiting', 'failed'])

/** Most operations on one page. */
export const operationPageMax = 1_000
