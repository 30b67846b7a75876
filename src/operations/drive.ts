// One operation, from where it stands to where it ends or waits, under one claim.

import type { AuditTrail } from '../core/audit-trail.ts'
import type { Clock } from '../core/clock.ts'
import type { Json } from '../core/tenant.ts'
import { AbortedError, OperationFailedError, OperationInProgressError, TenancyError } from '../errors.ts'
import type { Operation, OperationJournal, Settlement, StepRecord } from './journal.ts'
import { finalStepsOf, isWait, type OperationDefinition, type OperationStep, type StepContext, type WorkStep } from './operation.ts'
import { auditOperation } from './operation-audit.ts'
import type { OperationEvent, OperationListener, StepEvent } from './operation-event.ts'

export interface DriveOptions {
  readonly journal: OperationJournal
  readonly auditTrail: AuditTrail
  readonly clock: Clock
  readonly leaseMs: number
  readonly definition: OperationDefinition<unknown>
  /** As it was claimed. */
  readonly operation: Operation
  readonly signal: AbortSignal
  readonly onProgress: OperationListener | undefined
}

export interface DriveResult {
  readonly operation: Operation
  /** What steps gave to their starter and nobody wrote down. */
  readonly handedOut: Readonly<Record<string, string>>
}

/** @throws {OperationFailedError} {@link OperationInProgressError} when the claim is lost. {@link AbortedError} */
export async function drive(options: DriveOptions): Promise<DriveResult> {
  const run = new Drive(options)
  const stop = run.beat()
  try {
    return await run.go()
  } finally {
    stop()
  }
}

class Drive {
  readonly #o: DriveOptions
  readonly #input: unknown
  readonly #lost = new AbortController()
  readonly #signal: AbortSignal
  readonly #steps: Record<string, StepRecord>
  readonly #handedOut: Record<string, string> = {}
  /** Done, and not written down yet. */
  #pending: Record<string, StepRecord> = {}
  #cancelling: boolean
  #settledAs: Operation
  /** Why it undoes itself. */
  #refusal: { readonly step: string; readonly error: TenancyError } | undefined

  constructor(options: DriveOptions) {
    this.#o = options
    this.#input = options.definition.parse(options.operation.input)
    this.#steps = { ...options.operation.steps }
    this.#cancelling = options.operation.cancelling
    this.#settledAs = options.operation
    this.#signal = AbortSignal.any([options.signal, this.#lost.signal])
  }

  /** Extends the lease while steps run. @returns what stops it. */
  beat(): () => void {
    const { journal, operation, leaseMs } = this.#o
    const timer = setInterval(() => {
      // When the database does not answer, the lease runs out by itself; the next write then tells.
      void journal.extend(operation, leaseMs).then(
        (isHeld) => isHeld || this.#lost.abort(),
        () => {},
      )
    }, leaseMs / 3)
    timer.unref()
    return () => clearInterval(timer)
  }

  async go(): Promise<DriveResult> {
    const { definition } = this.#o
    if (!this.#cancelling) {
      for (const step of definition.steps(this.#input)) {
        if (this.#steps[step.name]?.state === 'done') continue
        const outcome = isWait(step) ? await this.#wait(step) : await this.#work(step, false)
        if (outcome === 'waiting') return this.#result()
        if (outcome === 'cancelling') break
      }
    }
    if (!this.#cancelling) return await this.#settled({ state: 'done' })
    for (const step of definition.undo(this.#input)) {
      if (this.#steps[step.name]?.state !== 'done') await this.#work(step, true)
    }
    const refusal = this.#refusal
    const problem = refusal && { step: refusal.step, code: refusal.error.code, message: refusal.error.message }
    const result = await this.#settled({ state: 'cancelled', error: problem }, refusal?.error)
    if (refusal !== undefined) throw refusal.error
    return result
  }

  async #wait(step: OperationStep<unknown> & { readonly waitMs: number }): Promise<'done' | 'waiting' | 'cancelling'> {
    const now = this.#now()
    const before = this.#steps[step.name]
    // It was claimed again, and that is possible only when the time is over.
    if (before?.state === 'waiting' || step.waitMs <= 0) {
      this.#done(step.name, { state: 'done', startedAt: before?.startedAt ?? now, endedAt: now })
      return 'done'
    }
    if (await this.#flush()) return 'cancelling'
    this.#steps[step.name] = { state: 'waiting', startedAt: now }
    this.#tell({ kind: 'step', state: 'waiting', step: step.name, message: step.describe })
    await this.#settle({ state: 'waiting', wakeMs: step.waitMs, steps: { [step.name]: this.#steps[step.name] as StepRecord } })
    return 'waiting'
  }

  async #work(step: WorkStep<unknown>, isUndo: boolean): Promise<'done' | 'cancelling'> {
    await this.#assertWanted()
    const mayHaveRun = this.#steps[step.name] !== undefined || this.#o.operation.attempt > 1
    const started: StepRecord = { state: 'started', startedAt: this.#now() }
    if (step.isLight !== true || step.isFinal === true) {
      if ((await this.#write({ [step.name]: started }, isUndo)) && !isUndo) return 'cancelling'
    }
    this.#steps[step.name] = started
    this.#tell({ kind: 'step', state: 'started', step: step.name, message: step.describe })
    try {
      const context = this.#context(step.name)
      const output = mayHaveRun && (await step.isDone?.(context)) === true ? undefined : await step.run(context)
      this.#done(step.name, { ...started, state: 'done', endedAt: this.#now(), ...(output !== undefined && { output }) })
      return 'done'
    } catch (error) {
      return await this.#failed(step, error, isUndo)
    }
  }

  #done(name: string, record: StepRecord): void {
    this.#steps[name] = record
    this.#pending[name] = record
    this.#tell({ kind: 'step', state: 'done', step: name })
  }

  async #failed(step: WorkStep<unknown>, error: unknown, isUndo: boolean): Promise<'cancelling'> {
    const { journal, operation, definition } = this.#o
    const problem = { step: step.name, code: error instanceof TenancyError ? error.code : 'PW_INTERNAL', message: messageOf(error) }
    this.#tell({ kind: 'step', state: 'failed', step: step.name, message: problem.message })
    await this.#assertWanted()
    if (!isUndo && definition.undoesRefusals && isRefusal(error)) {
      const finals = finalStepsOf(definition, this.#input)
      await this.#write({}, false)
      if ((await journal.cancel(operation.id, finals)) !== undefined) {
        this.#cancelling = true
        this.#refusal = { step: step.name, error }
        return 'cancelling'
      }
    }
    const failed: StepRecord = { ...(this.#steps[step.name] as StepRecord), state: 'failed', endedAt: this.#now() }
    await this.#settle({ state: 'failed', error: problem, steps: { [step.name]: failed } }, error)
    throw new OperationFailedError(
      `The operation ${operation.kind} (${operation.id}) failed at the step ${step.name}: ${problem.message} Retry it, or cancel it.`,
      { cause: error, details: { id: operation.id, step: step.name }, retryable: error instanceof TenancyError && error.retryable },
    )
  }

  /** @returns is it being cancelled? */
  async #write(next: Record<string, StepRecord>, isUndo: boolean): Promise<boolean> {
    const { journal, operation } = this.#o
    const done = this.#pending
    const answer = await journal.record(operation, done, next, { isUndo })
    if (answer === undefined) throw this.#claimLost()
    this.#pending = {}
    this.#cancelling = answer.cancelling
    return answer.cancelling
  }

  /** Writes what is pending. @returns is it being cancelled? Asked also when nothing is pending and a step may still be undone. */
  async #flush(): Promise<boolean> {
    const { definition } = this.#o
    const isPastCancel = finalStepsOf(definition, this.#input).some((name) => this.#steps[name] !== undefined)
    if (isPastCancel) return false
    return await this.#write({}, false)
  }

  async #settled(settlement: Settlement, error?: unknown): Promise<DriveResult> {
    await this.#settle(settlement, error)
    return this.#result()
  }

  async #settle(settlement: Settlement, error?: unknown): Promise<void> {
    const { journal, operation, auditTrail } = this.#o
    const steps = { ...this.#pending, ...settlement.steps }
    const settled = await journal.settle(operation, { ...settlement, steps })
    if (settled === undefined) throw this.#claimLost()
    this.#settledAs = settled
    this.#pending = {}
    await auditOperation(auditTrail, operation, settlement.state, error)
  }

  #result(): DriveResult {
    return { operation: this.#settledAs, handedOut: this.#handedOut }
  }

  /** Before every step: is the lease still ours, does the caller still want it? */
  async #assertWanted(): Promise<void> {
    if (this.#lost.signal.aborted) throw this.#claimLost()
    if (!this.#signal.aborted) return
    const { journal, operation } = this.#o
    await this.#write({}, true)
    await journal.release(operation)
    throw new AbortedError(`The operation ${operation.kind} (${operation.id}) was left where it stands. It can be resumed at once.`)
  }

  #claimLost(): TenancyError {
    const { id, kind } = this.#o.operation
    return new OperationInProgressError(
      `The operation ${kind} (${id}) was taken over by another runner: this one was silent for too long.`,
      {
        details: { id, kind, state: 'running' },
      },
    )
  }

  #context(step: string): StepContext<unknown> {
    const { operation, clock } = this.#o
    const outputs = Object.entries(this.#steps).flatMap(([name, { output }]): [string, Json][] =>
      output === undefined ? [] : [[name, output]],
    )
    return {
      operation: { ...operation, steps: { ...this.#steps } },
      tenantId: operation.tenantId,
      input: this.#input,
      outputs: Object.fromEntries(outputs),
      signal: this.#signal,
      clock,
      progress: (message) => this.#tell({ kind: 'progress', step, message }),
      handOut: (name, text) => {
        this.#handedOut[name] = text
      },
    }
  }

  #tell(event: Pick<StepEvent, 'kind' | 'state' | 'step' | 'message'> | { kind: 'progress'; step: string; message: string }): void {
    const { id: operation, kind: operationKind, tenantId } = this.#o.operation
    try {
      this.#o.onProgress?.({ ...event, operation, operationKind, tenantId, at: this.#now() } as OperationEvent)
    } catch {
      // Whoever watches has no say in what is watched.
    }
  }

  #now(): string {
    return new Date(this.#o.clock.now()).toISOString()
  }
}

/** An answer to the caller, which no retry changes: as opposed to a fault. */
function isRefusal(error: unknown): error is TenancyError {
  return error instanceof TenancyError && !error.retryable && error.status >= 400 && error.status < 500
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000)
}
