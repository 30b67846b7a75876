// The queue of one tenant's jobs, where the tenant's rows are: a port. A job is taken by a hold, which its runner renews; what is said of it
// later counts only with that hold, so that a runner which was thought dead changes nothing any more.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import type { Json } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'

export type JobState = 'queued' | 'running' | 'dead'

/** A job as it is told. One that is done is gone. */
export interface JobInfo {
  readonly id: string
  readonly name: string
  readonly state: JobState
  /** When it is due; of a running one, when its runner is taken to be dead. */
  readonly runAt: Date
  readonly attempt: number
  readonly attemptsMax: number
  readonly isCancelling: boolean
  readonly progress: Json | undefined
  /** Of the latest failure: its class and code, no text that could be personal. */
  readonly error: string | undefined
  readonly createdAt: Date
  readonly diedAt: Date | undefined
}

export interface NewJob {
  readonly id: string
  readonly name: string
  readonly envelope: string
  /** Undefined: now, by the store's own clock. */
  readonly runAt: Date | undefined
  readonly delayMs: number
  readonly dedupeKey: string | undefined
  readonly attemptsMax: number
  readonly retryPauseMs: number
}

export interface InsertedJob {
  /** That of the job with the same key, when there is one that waits or runs. */
  readonly id: string
  readonly isNew: boolean
}

/** A job in hand. */
export interface TakenJob {
  readonly id: string
  readonly hold: string
  readonly name: string
  readonly envelope: string
  readonly attempt: number
  readonly attemptsMax: number
  readonly retryPauseMs: number
  /** Its cancellation was asked for while its runner, which is dead, had it. */
  readonly isCancelled: boolean
}

export interface HeldJob {
  readonly id: string
  readonly hold: string
}

export interface TakeJobs {
  /** How many of each name at most. Others are left. */
  readonly names: ReadonlyMap<string, number>
  readonly jobsMax: number
  readonly holdMs: number
  readonly hold: string
  /** Jobs that are done: they go in the same statement. */
  readonly done: readonly HeldJob[]
}

export interface JobsOutlook {
  /** In how many milliseconds the next of these names is due, or the next hold on one ends. */
  readonly nextInMs: number | undefined
  /** The same of all other names. */
  readonly othersInMs: number | undefined
  /** In how many milliseconds the next schedule is due. */
  readonly scheduleInMs: number | undefined
}

/** What became of a job in hand. */
export interface FailedJob extends HeldJob {
  /** Undefined: it is not tried again. */
  readonly retryInMs: number | undefined
  readonly error: string
  /** Does it count as an attempt? One that a worker gave up because it was ending does not. */
  readonly isAttempt: boolean
}

export interface JobSchedule {
  readonly key: string
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  readonly jitterMs: number
  readonly envelope: string
  readonly attemptsMax: number
  readonly retryPauseMs: number
  readonly nextAt: Date
  readonly lastAt: Date | undefined
}

export interface JobPage {
  readonly state?: JobState | undefined
  readonly name?: string | undefined
  /** The id of the last one that was told. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface JobStore {
  /** @returns one for each, in their order. */
  insert(jobs: readonly NewJob[], tx: OpenTransaction | undefined): Promise<readonly InsertedJob[]>
  /** Takes what is due, those that waited longest first. */
  take(options: TakeJobs): Promise<readonly TakenJob[]>
  /** What there will be to take, of these names and of others. */
  outlook(names: readonly string[]): Promise<JobsOutlook>
  /** Takes away jobs that are done. */
  finish(done: readonly HeldJob[]): Promise<void>
  /** @returns whether it was still held. */
  fail(job: FailedJob): Promise<boolean>
  /** @returns those that are still held, and which of them are to be cancelled. */
  renew(held: readonly HeldJob[], holdMs: number): Promise<{ readonly held: ReadonlySet<string>; readonly cancelled: ReadonlySet<string> }>
  /** @returns whether it was still held. */
  progress(job: HeldJob, json: string): Promise<boolean>
  /** Takes a job that is held away, in a transaction. @returns whether it was still held. */
  complete(job: HeldJob, tx: OpenTransaction): Promise<boolean>
  find(id: string): Promise<JobInfo | undefined>
  /** In order of their ids, which is the order of their making. */
  page(options: JobPage): Promise<readonly JobInfo[]>
  /** Takes a waiting one away at once, and asks a running one to end. @returns whether there was such a job. */
  cancel(id: string, tx: OpenTransaction | undefined): Promise<boolean>
  /** Queues dead ones anew, with all their attempts, unless one with the same key waits or runs. @returns how many. */
  replay(which: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number>
  /** Takes dead ones away. @returns how many. */
  discard(which: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number>
  /** @returns whether there was none of that key. */
  putSchedule(schedule: JobSchedule): Promise<boolean>
  removeSchedule(key: string): Promise<boolean>
  schedules(which?: { readonly areDue?: boolean | undefined }): Promise<readonly JobSchedule[]>
  /** Enqueues what a schedule is for and sets when it is next, both or neither. @returns false when somebody else did. */
  advance(schedule: JobSchedule, job: NewJob, nextAt: Date): Promise<boolean>
}

/** Opens a tenant's queue. */
export interface JobStores {
  for(context: TenantContext): JobStore
}
