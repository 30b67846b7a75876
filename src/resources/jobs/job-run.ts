// One attempt at a job: inside the scope of its tenant, with an end to its time, and a hold that can be lost.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import { validated } from '../../core/standard-schema.ts'
import type { Json } from '../../core/tenant.ts'
import type { TenantContext, TenantScope } from '../../core/tenant-context.ts'
import { AbortedError, InvalidInputError, JobLostError, TenancyError, WrongTenantError } from '../../errors.ts'
import type { JobStore, TakenJob } from './job-store.ts'
import type { AnyTenantJob, RunningJob } from './tenant-job.ts'

/** How an attempt ended. `completed`: the job was taken away in a transaction of the handler's own. */
export type RunOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'completed' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'lost' }
  | { readonly kind: 'given back'; readonly error: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }

export interface JobRunParts {
  readonly scope: TenantScope
  readonly context: TenantContext
  readonly store: JobStore
  readonly kind: AnyTenantJob
  readonly job: TakenJob
  readonly input: unknown
  /** Until when nobody else takes it, by the monotonic clock of this process. */
  readonly heldUntil: number
}

const progressLengthMax = 65_536
/** So long after its signal an attempt may still end in its own way. */
const graceMs = 5_000

/** An attempt under way. */
export class JobRun {
  readonly job: TakenJob
  readonly context: TenantContext
  readonly store: JobStore
  heldUntil: number
  /** When the handler has returned, however late. Its room is free then, and not before. */
  readonly ended: Promise<void>
  /** What is to be said of the job: at the latest so long after the signal as is its grace. */
  readonly outcome: Promise<RunOutcome>
  readonly #controller = new AbortController()
  readonly #settled = Promise.withResolvers<RunOutcome>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** What ended it from outside. */
  #aborted: RunOutcome | undefined
  #isCompleted = false
  #isOver = false

  /** Call it outside every scope. @throws {WrongTenantError} inside one: whoever comes next would have the last one's. */
  constructor(parts: JobRunParts) {
    const left = parts.scope.tryCurrent()
    if (left !== undefined)
      throw new WrongTenantError(`A job of tenant ${parts.context.tenant.id} began inside the scope of ${left.tenant.id}.`)
    this.job = parts.job
    this.context = parts.context
    this.store = parts.store
    this.heldUntil = parts.heldUntil
    this.outcome = this.#settled.promise
    this.#after(parts.kind.timeoutMs, () => {
      const error = new AbortedError(`Job ${this.job.id} ran longer than ${parts.kind.timeoutMs} ms.`)
      this.#abort(error, { kind: 'failed', error })
    })
    this.ended = this.#run(parts)
  }

  /** Is it still to be held? */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Its tenant has asked for its end. */
  cancel(): void {
    this.#abort(new AbortedError(`Job ${this.job.id} was cancelled.`), { kind: 'cancelled' })
  }

  /** Its hold is another's by now, or nobody's. */
  lose(): void {
    this.#abort(lostError(this.job), { kind: 'lost' }, 0)
  }

  /** The worker ends before the job does. */
  giveBack(): void {
    const error = new AbortedError(`The worker of job ${this.job.id} is closing.`)
    this.#abort(error, { kind: 'given back', error })
  }

  async #run({ scope, context, kind, input }: JobRunParts): Promise<void> {
    try {
      await scope.run(context, async () => {
        const parsed = await validated(kind.schema, input, `The input of job ${kind.name}`)
        // What the handler takes is what its own schema makes: tenantJob() let nothing else through.
        await kind.handler(parsed as never, this.#running(kind))
      })
      this.#settle(this.#isCompleted ? { kind: 'completed' } : { kind: 'done' })
    } catch (error) {
      this.#settle(this.#isCompleted ? { kind: 'completed' } : { kind: 'failed', error })
    } finally {
      for (const timer of this.#timers) clearTimeout(timer)
    }
  }

  #running(kind: AnyTenantJob): RunningJob {
    const { job, context, store } = this
    const signal = this.#controller.signal
    return Object.freeze<RunningJob>({
      id: job.id,
      name: kind.name,
      attempt: job.attempt,
      attemptsMax: job.attemptsMax,
      context,
      signal,
      progress: async (value: Json) => {
        const json: string | undefined = JSON.stringify(value)
        if (json === undefined || json.length > progressLengthMax) {
          throw new InvalidInputError(`The progress of a job is at most ${progressLengthMax} characters of JSON.`)
        }
        if (!(await store.progress(job, json))) throw lostError(job)
      },
      complete: async (tx: OpenTransaction) => {
        if (!(await store.complete(job, tx))) throw lostError(job)
        this.#isCompleted = true
      },
    })
  }

  #abort(reason: TenancyError, outcome: RunOutcome, waitMs = graceMs): void {
    if (this.#controller.signal.aborted || this.#isOver) return
    this.#controller.abort(reason)
    this.#after(waitMs, () => this.#settle(outcome))
    // What it throws because it was told to is not a failure of its own.
    this.#aborted = outcome
  }

  #settle(outcome: RunOutcome): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#settled.resolve(outcome.kind === 'failed' ? (this.#aborted ?? outcome) : outcome)
  }

  #after(ms: number, fn: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      fn()
    }, ms)
    this.#timers.add(timer)
  }
}

function lostError({ id, attempt }: TakenJob): JobLostError {
  return new JobLostError(`Attempt ${attempt} at job ${id} is over: it was taken for dead, or the job was taken away.`)
}

/** The failure as it is kept: whose it is, and no text that could be personal. */
export function failureWords(error: unknown): string {
  if (error instanceof TenancyError) return `${error.name} ${error.code}`
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  const words = [name, code].filter((word) => typeof word === 'string' && /^[A-Za-z0-9_]{1,60}$/.test(word))
  return words.length === 0 ? 'Error' : words.join(' ')
}

/** Is it the tenant's state that stands in the way, and not the job? */
export function isOfTheTenant(error: unknown): boolean {
  return error instanceof TenancyError && ['PW_TENANT_SUSPENDED', 'PW_TENANT_OFFBOARDING', 'PW_TENANT_MOVING'].includes(error.code)
}
