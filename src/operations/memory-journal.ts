// The journal in memory: for tests and for trying things out. Nothing survives the process, so nothing is resumed after a kill.

import { type Clock, systemClock } from '../core/clock.ts'
import type { TenantId } from '../core/tenant.ts'
import { OperationInProgressError } from '../errors.ts'
import {
  type Claim,
  type NewOperation,
  type Operation,
  type OperationId,
  type OperationJournal,
  type OperationListOptions,
  openStates,
  type Settlement,
  type StepRecords,
} from './journal.ts'
import { checkedOperationLimit } from './operation-input.ts'

interface Entry {
  readonly operation: Operation
  readonly ownedUntil: number
}

export class MemoryOperationJournal implements OperationJournal {
  readonly #entries = new Map<OperationId, Entry>()
  readonly #clock: Clock

  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock
  }

  async begin(input: NewOperation, leaseMs: number, supersedes: readonly string[] = []): Promise<Operation> {
    const open = this.#open(input.tenantId)
    if (open !== undefined) {
      if (open.state !== 'failed' || !supersedes.includes(open.kind)) throw inProgress(open)
      this.#write(open.id, { state: 'cancelled', finishedAt: this.#now() })
    }
    if (this.#entries.has(input.id)) throw inProgress((this.#entries.get(input.id) as Entry).operation)
    const now = this.#now()
    const operation: Operation = {
      ...structuredClone(input),
      state: 'running',
      cancelling: false,
      attempt: 1,
      error: undefined,
      wakeAt: undefined,
      createdAt: now,
      updatedAt: now,
      finishedAt: undefined,
    }
    this.#entries.set(input.id, { operation, ownedUntil: now.getTime() + leaseMs })
    return operation
  }

  async claim(id: OperationId, owner: string, leaseMs: number, options: { readonly failed?: boolean | undefined } = {}) {
    const entry = this.#entries.get(id)
    if (entry === undefined || !this.#isFree(entry, options.failed ?? false)) return undefined
    const { operation } = entry
    return this.#write(id, { state: 'running', owner, attempt: operation.attempt + 1, error: undefined }, this.#now().getTime() + leaseMs)
  }

  async claimDue(owner: string, leaseMs: number): Promise<Operation | undefined> {
    for (const entry of this.#entries.values()) {
      if (this.#isFree(entry, false)) return await this.claim(entry.operation.id, owner, leaseMs)
    }
    return undefined
  }

  async extend(claim: Claim, leaseMs: number): Promise<boolean> {
    const held = this.#held(claim)
    if (held !== undefined) this.#write(claim.id, {}, this.#now().getTime() + leaseMs)
    return held !== undefined
  }

  async record(claim: Claim, done: StepRecords, next: StepRecords, options: { readonly isUndo?: boolean | undefined } = {}) {
    const held = this.#held(claim)
    if (held === undefined) return undefined
    const starts = !held.cancelling || options.isUndo === true
    this.#write(claim.id, { steps: structuredClone({ ...held.steps, ...done, ...(starts && next) }) })
    return { cancelling: held.cancelling }
  }

  async settle(claim: Claim, settlement: Settlement): Promise<Operation | undefined> {
    const held = this.#held(claim)
    if (held === undefined) return undefined
    const { state, steps = {}, wakeMs, error } = settlement
    const now = this.#now()
    return this.#write(claim.id, {
      state,
      steps: structuredClone({ ...held.steps, ...steps }),
      error,
      wakeAt: wakeMs === undefined ? held.wakeAt : new Date(now.getTime() + wakeMs),
      finishedAt: state === 'done' || state === 'cancelled' ? now : undefined,
    })
  }

  async release(claim: Claim): Promise<void> {
    if (this.#held(claim) !== undefined) this.#write(claim.id, {}, this.#now().getTime())
  }

  async cancel(id: OperationId, finalSteps: readonly string[]): Promise<Operation | undefined> {
    const operation = this.#entries.get(id)?.operation
    if (operation === undefined || !openStates.includes(operation.state)) return undefined
    if (finalSteps.some((step) => operation.steps[step] !== undefined)) return undefined
    return this.#write(id, { cancelling: true })
  }

  async find(id: OperationId): Promise<Operation | undefined> {
    return this.#entries.get(id)?.operation
  }

  async findOpen(tenantId: TenantId): Promise<Operation | undefined> {
    return this.#open(tenantId)
  }

  async list(options: OperationListOptions = {}): Promise<readonly Operation[]> {
    const { before, tenantId, kind, state } = options
    return [...this.#entries.values()]
      .map(({ operation }) => operation)
      .filter((operation) => before === undefined || operation.id < before)
      .filter((operation) => tenantId === undefined || operation.tenantId === tenantId)
      .filter((operation) => kind === undefined || operation.kind === kind)
      .filter((operation) => state === undefined || operation.state === state)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, checkedOperationLimit(options.limit))
  }

  async redact(tenantId: TenantId, except: OperationId): Promise<number> {
    let count = 0
    for (const { operation } of this.#entries.values()) {
      if (operation.tenantId !== tenantId || operation.id === except || isRedacted(operation)) continue
      this.#write(operation.id, { input: {}, steps: {}, reason: '', error: undefined })
      count += 1
    }
    return count
  }

  #open(tenantId: TenantId): Operation | undefined {
    return [...this.#entries.values()]
      .map(({ operation }) => operation)
      .find((operation) => operation.tenantId === tenantId && openStates.includes(operation.state))
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }

  #isFree({ operation, ownedUntil }: Entry, failed: boolean): boolean {
    const now = this.#clock.now()
    switch (operation.state) {
      case 'running':
        return ownedUntil <= now
      case 'waiting':
        return operation.cancelling || (operation.wakeAt?.getTime() ?? 0) <= now
      case 'failed':
        return failed
      case 'done':
      case 'cancelled':
        return false
    }
  }

  #held(claim: Claim): Operation | undefined {
    const operation = this.#entries.get(claim.id)?.operation
    const isHeld = operation?.state === 'running' && operation.owner === claim.owner && operation.attempt === claim.attempt
    return isHeld ? operation : undefined
  }

  #write(id: OperationId, change: Partial<Operation>, ownedUntil?: number): Operation {
    const entry = this.#entries.get(id) as Entry
    const operation = { ...entry.operation, ...change, updatedAt: this.#now() }
    this.#entries.set(id, { operation, ownedUntil: ownedUntil ?? entry.ownedUntil })
    return operation
  }
}

/** The refusal of a second operation on one tenant. */
export function inProgress(open: Operation | undefined): OperationInProgressError {
  const what = open === undefined ? 'Another operation' : `The operation ${open.kind} (${open.id}, ${open.state})`
  return new OperationInProgressError(
    `${what} of this tenant is not over. ${open?.state === 'failed' ? 'Retry or cancel it first.' : 'Wait for it, or cancel it.'}`,
    { details: open === undefined ? {} : { id: open.id, kind: open.kind, state: open.state, since: open.createdAt.toISOString() } },
  )
}

function isRedacted({ input, steps, reason, error }: Operation): boolean {
  return Object.keys(input).length === 0 && Object.keys(steps).length === 0 && reason === '' && error === undefined
}
