// Jobs as a tenant's code sees them. There is no way to name a job without a tenant: a handle is made for one context, and its queue is
// among that tenant's own rows.

import { validate as isUuid, v7 as uuidv7 } from 'uuid'
import type { Clock } from '../../core/clock.ts'
import type { OpenTransaction } from '../../core/open-transaction.ts'
import { validated } from '../../core/standard-schema.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import type { WorkMarks } from '../../core/work-marks.ts'
import { InvalidInputError, JobNotFoundError } from '../../errors.ts'
import { writeEnvelope } from './job-envelope.ts'
import { nextTime, scheduleDedupeKey } from './job-schedule.ts'
import type { JobInfo, JobPage, JobSchedule, JobState, JobStores, NewJob } from './job-store.ts'
import { jobKind } from './job-worker.ts'
import type { TenantJob } from './tenant-job.ts'

export interface EnqueueOptions {
  /** Enqueues in this transaction: there is a job if it commits, and none if it does not. */
  readonly tx?: OpenTransaction | undefined
  /** Not before then. Default: now. */
  readonly runAt?: Date | undefined
  /** Not before so many milliseconds are over, after `runAt`. */
  readonly delayMs?: number | undefined
  /** While one of this kind and key waits or runs, there is no second one. At most 300 characters. */
  readonly dedupeKey?: string | undefined
}

export interface ScheduleOptions {
  /** Five fields of cron, or six with seconds: `0 2 * * 1-5`. */
  readonly cron: string
  /** An IANA zone. Default `UTC`. */
  readonly timeZone?: string | undefined
  /** Spreads tenants over so many milliseconds after each time. Each has a moment of its own there, always the same. Default 0. */
  readonly jitterMs?: number | undefined
}

/** A schedule as it is told. */
export type ScheduleInfo = Omit<JobSchedule, 'envelope' | 'attemptsMax' | 'retryPauseMs'>

/** The jobs of one tenant. */
export interface TenantJobs {
  /**
   * Queues a job. It runs in the scope of this tenant, on behalf of whoever enqueues it, at least once.
   *
   * @throws {InvalidInputError} when the input is not what the job's schema says. {@link WrongTenantError} for another tenant's transaction.
   * @throws {ConfigurationError} where there is no queue.
   */
  enqueue<Input, Parsed>(
    job: TenantJob<Input, Parsed>,
    input: Input,
    options?: EnqueueOptions,
  ): Promise<{ readonly id: string; readonly isNew: boolean }>
  /** One for each of the inputs, in one statement: all of them or none. At most 1,000. */
  enqueueAll<Input, Parsed>(
    job: TenantJob<Input, Parsed>,
    inputs: readonly Input[],
    options?: Omit<EnqueueOptions, 'dedupeKey'>,
  ): Promise<readonly string[]>
  /** @returns undefined when there is none. One that is done is gone: what came of it is where its handler put it. */
  find(id: string): Promise<JobInfo | undefined>
  /** In the order of their making; `limit` 1 to 1,000, default 100. */
  list(options?: {
    readonly state?: JobState | undefined
    readonly name?: string | undefined
    readonly after?: string | undefined
    readonly limit?: number | undefined
  }): Promise<{ readonly jobs: readonly JobInfo[]; readonly next: string | undefined }>
  /** Takes a waiting job away; asks a running one to end, by its signal. @throws {JobNotFoundError} for one that is neither. */
  cancel(id: string, options?: { readonly tx?: OpenTransaction | undefined }): Promise<void>
  /** Queues dead jobs anew: one, those of a name, or all. @returns how many. */
  replay(which?: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number>
  /** Takes dead jobs away. @returns how many. */
  discard(which?: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number>
  /**
   * Enqueues a job by the clock from now on; a schedule of the same key is replaced. While the last one waits or runs, there is no other,
   * and times that were missed are made up for by one.
   *
   * @throws {InvalidInputError}
   */
  schedule<Input, Parsed>(
    key: string,
    job: TenantJob<Input, Parsed>,
    input: Input,
    options: ScheduleOptions,
  ): Promise<{ readonly nextAt: Date; readonly isNew: boolean }>
  /** @returns whether there was one. What it has enqueued stays. */
  unschedule(key: string): Promise<boolean>
  schedules(): Promise<readonly ScheduleInfo[]>
}

export interface JobsOfTenantsParts {
  readonly stores: JobStores
  readonly marks: WorkMarks
  readonly clock: Clock
  /** Says to the workers of this process that a tenant has a new job. */
  readonly wake: (tenantId: TenantId) => void
}

/** So long a transaction is taken to last when it enqueues: a look before its end finds nothing. */
const transactionMs = 100
const inputsMax = 1_000
const pageMax = 1_000
const farMs = 100 * 366 * 86_400_000
const keyPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Makes queues for tenants. */
export class JobsOfTenants {
  readonly #parts: JobsOfTenantsParts

  constructor(parts: JobsOfTenantsParts) {
    this.#parts = parts
  }

  /** The jobs of the context's tenant. The handle stays that tenant's, wherever it is taken. */
  for(context: TenantContext): TenantJobs {
    const { stores, marks, clock } = this.#parts
    const { tenant } = context
    const store = stores.for(context)

    const insert = async (jobs: readonly NewJob[], { tx, runAt, delayMs = 0 }: EnqueueOptions) => {
      const dueInMs = Math.max(0, (runAt?.getTime() ?? clock.now()) - clock.now()) + delayMs
      // Before the job is there: a mark too many costs one look.
      await marks.mark(jobKind, tenant.id, dueInMs + (tx === undefined ? 0 : transactionMs))
      const inserted = await store.insert(jobs, tx)
      if (tx === undefined && dueInMs === 0) this.#parts.wake(tenant.id)
      return inserted
    }
    const remark = async (count: number): Promise<number> => {
      if (count > 0) await marks.mark(jobKind, tenant.id)
      return count
    }
    const envelopeFor = async (job: TenantJob, input: unknown): Promise<string> => {
      // The input as it came is what is kept: the handler's side applies the schema anew, and it may be a later one.
      await validated(job.schema, input, `The input of job ${job.name}`)
      const { actor, requestId, trace } = context
      return writeEnvelope({ input, actor, requestId, trace })
    }

    return Object.freeze<TenantJobs>({
      enqueue: async (job, input, options = {}) => {
        assertOptions(options)
        const made = newJob(job as TenantJob, await envelopeFor(job as TenantJob, input), options)
        const [inserted] = await insert([made], options)
        return inserted as NonNullable<typeof inserted>
      },
      enqueueAll: async (job, inputs, options = {}) => {
        assertOptions(options)
        if (inputs.length > inputsMax) throw new InvalidInputError(`${inputs.length} jobs at once; it may be ${inputsMax}.`)
        if (inputs.length === 0) return []
        const envelopes = await Promise.all(inputs.map((input) => envelopeFor(job as TenantJob, input)))
        const made = envelopes.map((envelope) => newJob(job as TenantJob, envelope, options))
        return (await insert(made, options)).map(({ id }) => id)
      },
      find: async (id) => await store.find(checkedId(id)),
      list: async ({ state, name, after, limit = 100 } = {}) => {
        if (!Number.isSafeInteger(limit) || limit < 1 || limit > pageMax) {
          throw new InvalidInputError(`limit is ${limit}; it must be 1 to ${pageMax}.`)
        }
        if (after !== undefined) checkedId(after)
        const page: JobPage = { state, name, after, limit: limit + 1 }
        const found = await store.page(page)
        const jobs = found.slice(0, limit)
        return { jobs, next: found.length > limit ? jobs.at(-1)?.id : undefined }
      },
      cancel: async (id, { tx } = {}) => {
        if (!(await store.cancel(checkedId(id), tx))) throw new JobNotFoundError(`There is no job ${id} that waits or runs.`)
      },
      replay: async (which = {}) => await remark(await store.replay(checkedWhich(which))),
      discard: async (which = {}) => await store.discard(checkedWhich(which)),
      schedule: async (key, job, input, { cron, timeZone = 'UTC', jitterMs = 0 }) => {
        if (typeof key !== 'string' || !keyPattern.test(key)) {
          throw new InvalidInputError(`A schedule cannot have the key ${JSON.stringify(key)}: 1 to 100 letters, digits, ".", "_" and "-".`)
        }
        assertMs('jitterMs', jitterMs)
        const envelope = await envelopeFor(job as TenantJob, input)
        const nextAt = nextTime({ cron, timeZone, jitterMs }, `${tenant.id} ${key}`, new Date(clock.now()))
        const { name, attemptsMax, retryPauseMs } = job
        await marks.mark(jobKind, tenant.id, Math.max(0, nextAt.getTime() - clock.now()))
        const schedule = { key, name, cron, timeZone, jitterMs, envelope, attemptsMax, retryPauseMs, nextAt, lastAt: undefined }
        return { nextAt, isNew: await store.putSchedule(schedule) }
      },
      unschedule: async (key) => await store.removeSchedule(key),
      schedules: async () =>
        (await store.schedules()).map(({ envelope: _input, attemptsMax: _max, retryPauseMs: _pause, ...told }) => told),
    })
  }
}

function newJob(job: TenantJob, envelope: string, { runAt, delayMs = 0, dedupeKey }: EnqueueOptions): NewJob {
  const { name, attemptsMax, retryPauseMs } = job
  return { id: uuidv7(), name, envelope, runAt, delayMs, dedupeKey, attemptsMax, retryPauseMs }
}

function assertOptions({ runAt, delayMs = 0, dedupeKey }: EnqueueOptions): void {
  assertMs('delayMs', delayMs)
  if (runAt !== undefined && !(runAt instanceof Date && Math.abs(runAt.getTime()) < farMs)) {
    throw new InvalidInputError('runAt is no date of this century.')
  }
  if (dedupeKey === undefined) return
  if (typeof dedupeKey !== 'string' || dedupeKey.length < 1 || dedupeKey.length > 300) {
    throw new InvalidInputError('A dedupeKey has 1 to 300 characters.')
  }
  if (dedupeKey.startsWith(scheduleDedupeKey(''))) {
    throw new InvalidInputError(`A dedupeKey cannot begin with ${JSON.stringify(scheduleDedupeKey(''))}: schedules have those.`)
  }
}

function assertMs(name: string, ms: number): void {
  if (Number.isSafeInteger(ms) && ms >= 0 && ms < farMs) return
  throw new InvalidInputError(`${name} is ${ms}; it must be a whole number of milliseconds from 0 on.`)
}

function checkedId(id: string): string {
  if (typeof id === 'string' && isUuid(id)) return id
  throw new JobNotFoundError(`${JSON.stringify(id)} is not the id of a job.`)
}

function checkedWhich<Which extends { readonly id?: string | undefined }>(which: Which): Which {
  if (which.id !== undefined) checkedId(which.id)
  return which
}
