// Runs operations, and takes them up again wherever they were left.
//
//   begin ─► [ write: the last step is done, the next one starts ] ─► run the step ─► … ─► settle (done)
//                     │                                                   │
//                     │ claim lost: stop, another goes on                 │ it throws ─► settle (failed): retry or cancel
//                     │ cancelling: run the undo steps instead            │ a refusal, of a kind that undoes them ─► undo
//
// A step runs at least once, and is written down as done at most once. Between its end and that write lies the one moment in which a
// kill makes it run again, which is why steps are idempotent. While a step runs, a heartbeat extends the lease; a runner that
// sleeps through its lease is fenced out, since every write names its claim.

import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Actor } from '../core/actor.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Json, TenantId } from '../core/tenant.ts'
import {
  ClosedError,
  ConfigurationError,
  OperationInProgressError,
  OperationNotCancellableError,
  OperationNotFoundError,
  OverloadedError,
  TenancyError,
} from '../errors.ts'
import { type DriveResult, drive } from './drive.ts'
import { type Operation, type OperationId, type OperationJournal, openStates } from './journal.ts'
import { finalStepsOf, type OperationDefinition } from './operation.ts'
import { auditOperation } from './operation-audit.ts'
import type { OperationListener } from './operation-event.ts'
import { parseOperationId } from './operation-input.ts'

export interface OperationRunnerOptions {
  readonly journal: OperationJournal
  readonly definitions: readonly OperationDefinition<unknown>[]
  readonly auditTrail: AuditTrail
  readonly clock?: Clock | undefined
  /** After how long a silent runner is taken for dead, and its operations are taken over. Default 30,000. */
  readonly leaseMs?: number | undefined
  /** Operations that run in this process at a time, at most. Default 64. */
  readonly operationsMax?: number | undefined
}

/** Who asks for an operation, and who watches it. */
export interface StartOptions {
  readonly tenantId: TenantId
  readonly actor: Actor
  readonly reason: string
  readonly onProgress?: OperationListener | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ResumeOptions {
  readonly onProgress?: OperationListener | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of one operation that was taken up. Work on many does not stop at the first failure. */
export interface Resumed {
  readonly id: OperationId
  readonly kind: string
  readonly tenantId: TenantId
  readonly operation: Operation | undefined
  readonly error: TenancyError | undefined
}

export class OperationRunner {
  readonly #journal: OperationJournal
  readonly #definitions: ReadonlyMap<string, OperationDefinition<unknown>>
  readonly #auditTrail: AuditTrail
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #operationsMax: number
  /** Different for each runner, so that a claim is one process's alone. */
  readonly #owner = randomUUID()
  readonly #running = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()

  constructor(options: OperationRunnerOptions) {
    this.#journal = options.journal
    this.#definitions = new Map(options.definitions.map((definition) => [definition.kind, definition]))
    this.#auditTrail = options.auditTrail
    this.#clock = options.clock ?? systemClock
    this.#leaseMs = options.leaseMs ?? 30_000
    this.#operationsMax = options.operationsMax ?? 64
  }

  /**
   * Begins an operation and runs it until it is done, waits, or fails.
   *
   * @throws {OperationInProgressError} when another operation of the tenant is not over.
   * @throws {OperationFailedError} when a step fails; what refused an operation that was undone for it, as it is.
   * @throws {OverloadedError} when `operationsMax` run already. {@link AbortedError} when the signal fires.
   */
  async start<Input extends object>(kind: string, input: Input, options: StartOptions): Promise<DriveResult> {
    const definition = this.#definition(kind)
    return await this.#bounded(async () => {
      const supersedes = [...this.#definitions.values()]
        .filter(({ givesWayTo }) => givesWayTo === 'all' || givesWayTo.includes(kind))
        .map((each) => each.kind)
      const { tenantId, actor, reason } = options
      const begin = () =>
        this.#journal.begin(
          {
            id: parseOperationId(uuidv7()),
            tenantId,
            kind,
            input: JSON.parse(JSON.stringify(input)) as Record<string, Json>,
            steps: {},
            actor,
            reason,
            owner: this.#owner,
          },
          this.#leaseMs,
          supersedes,
        )
      const operation = await begin().catch(async (error: unknown) => {
        await auditOperation(this.#auditTrail, { kind, tenantId, actor, reason }, 'refused', error)
        throw error
      })
      try {
        await auditOperation(this.#auditTrail, operation, 'started')
      } catch (error) {
        // What cannot be recorded is not done. Nothing has happened yet, so there is nothing to undo.
        await this.#journal.settle(operation, { state: 'cancelled' })
        throw error
      }
      return await this.#drive(definition, operation, options)
    })
  }

  /**
   * Goes on with an operation that nobody works on; with `failed`, also with one that failed.
   *
   * @throws {OperationNotFoundError} {@link OperationInProgressError} when somebody works on it, or it waits.
   * @throws {OperationNotCancellableError} when it is over.
   */
  async resume(id: OperationId, options: ResumeOptions & { readonly failed?: boolean | undefined } = {}): Promise<DriveResult> {
    return await this.#bounded(async () => {
      const operation = await this.#journal.claim(id, this.#owner, this.#leaseMs, { failed: options.failed })
      if (operation === undefined) throw await this.#notToBeHad(id)
      return await this.#drive(this.#definition(operation.kind), operation, options)
    })
  }

  /**
   * Goes on with every operation whose runner died or whose wait is over, a few at a time. Failed ones are left to people.
   *
   * @param options.concurrency default 4.
   */
  async resumeAll(options: ResumeOptions & { readonly concurrency?: number | undefined } = {}): Promise<readonly Resumed[]> {
    const results: Resumed[] = []
    const work = async (): Promise<void> => {
      while (options.signal?.aborted !== true && !this.#closing.signal.aborted) {
        const operation = await this.#journal.claimDue(this.#owner, this.#leaseMs)
        if (operation === undefined) return
        results.push(await this.#resumed(operation, options))
      }
    }
    await Promise.all(Array.from({ length: options.concurrency ?? 4 }, work))
    return results
  }

  /**
   * Undoes an operation. One that runs elsewhere undoes itself as soon as its present step has ended.
   *
   * @throws {OperationNotFoundError}
   * @throws {OperationNotCancellableError} when it is over, or cannot go back any more.
   */
  async cancel(id: OperationId, options: ResumeOptions = {}): Promise<Operation> {
    const found = await this.#journal.find(id)
    if (found === undefined) throw new OperationNotFoundError(`There is no operation ${id}.`)
    const tooLate = new OperationNotCancellableError(
      `The operation ${found.kind} (${id}) is over, or has come so far that it can only go on.`,
    )
    // Of one that is over, the input may have been forgotten.
    if (!openStates.includes(found.state)) throw tooLate
    const definition = this.#definition(found.kind)
    const cancelling = await this.#journal.cancel(id, finalStepsOf(definition, definition.parse(found.input)))
    if (cancelling === undefined) throw tooLate
    return await this.#bounded(async () => {
      const operation = await this.#journal.claim(id, this.#owner, this.#leaseMs, { failed: true })
      if (operation === undefined) return cancelling
      return (await this.#drive(definition, operation, options)).operation
    })
  }

  /** Stops before the next steps, gives the operations back for others, and waits for the steps that run. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled([...this.#running])
  }

  async #resumed(operation: Operation, options: ResumeOptions): Promise<Resumed> {
    const { id, kind, tenantId } = operation
    try {
      const result = await this.#bounded(async () => await this.#drive(this.#definition(kind), operation, options))
      return { id, kind, tenantId, operation: result.operation, error: undefined }
    } catch (error) {
      if (!(error instanceof TenancyError)) throw error
      return { id, kind, tenantId, operation: undefined, error }
    }
  }

  async #drive(definition: OperationDefinition<unknown>, operation: Operation, options: ResumeOptions): Promise<DriveResult> {
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
    return await drive({
      journal: this.#journal,
      auditTrail: this.#auditTrail,
      clock: this.#clock,
      leaseMs: this.#leaseMs,
      definition,
      operation,
      signal: AbortSignal.any(signals),
      onProgress: options.onProgress,
    })
  }

  async #bounded<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new ClosedError('The runner of operations is closed.')
    if (this.#running.size >= this.#operationsMax) {
      throw new OverloadedError(`${this.#running.size} operations run in this process (operationsMax ${this.#operationsMax}).`, {
        details: { bound: 'operationsMax', value: this.#operationsMax },
      })
    }
    const run = fn()
    this.#running.add(run)
    try {
      return await run
    } finally {
      this.#running.delete(run)
    }
  }

  #definition(kind: string): OperationDefinition<unknown> {
    const definition = this.#definitions.get(kind)
    if (definition === undefined) throw new ConfigurationError(`This version knows no operation of the kind ${JSON.stringify(kind)}.`)
    return definition
  }

  async #notToBeHad(id: OperationId): Promise<TenancyError> {
    const operation = await this.#journal.find(id)
    if (operation === undefined) return new OperationNotFoundError(`There is no operation ${id}.`)
    const { state, kind, wakeAt } = operation
    if (state === 'done' || state === 'cancelled')
      return new OperationNotCancellableError(`The operation ${kind} (${id}) is over: ${state}.`)
    const why =
      state === 'waiting' ? `waits until ${wakeAt?.toISOString()}` : state === 'failed' ? 'failed: retry it' : 'is being worked on'
    return new OperationInProgressError(`The operation ${kind} (${id}) ${why}.`, {
      details: { id, kind, state, since: operation.createdAt.toISOString() },
    })
  }
}
