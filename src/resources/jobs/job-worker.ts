// A worker: takes jobs of tenants, fairly, and runs each inside its tenant's scope.
//
//   round ─► visit(tenant, share) ─► take: what is due, and away with what is done ─► a run for each ─► done, or again later, or dead
//                                                                                        │
//                        every third of a hold: renew ─► lost? cancelled? ─► its signal ─┘

import type { Clock } from '../../core/clock.ts'
import type { TenancyObserver } from '../../core/observer.ts'
import { settledWithin } from '../../core/settled-within.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'
import { createTenantContext, runOutside, type TenantScope } from '../../core/tenant-context.ts'
import { type RoundsWork, TenantRounds } from '../../core/tenant-rounds.ts'
import type { WorkMarks } from '../../core/work-marks.ts'
import { ConfigurationError, JobLostError } from '../../errors.ts'
import { JobEnds } from './job-ends.ts'
import { readEnvelope } from './job-envelope.ts'
import { JobRooms, type ReservedRooms } from './job-rooms.ts'
import { failureWords, isOfTheTenant, JobRun, type RunOutcome } from './job-run.ts'
import { advanceSchedules } from './job-schedule.ts'
import type { JobStore, JobStores, TakenJob } from './job-store.ts'
import type { AnyTenantJob } from './tenant-job.ts'

/** What failed, and whose it was. */
export interface JobFailure {
  readonly tenantId: TenantId | undefined
  readonly jobId?: string | undefined
  readonly name?: string | undefined
  readonly attempt?: number | undefined
  /** Is it not tried again? */
  readonly isDead?: boolean | undefined
}

export interface JobWorkerOptions {
  /** The kinds of jobs that it runs. Others are left to other workers. */
  readonly jobs: readonly AnyTenantJob[]
  /** Jobs that run at once. Default 10. */
  readonly concurrency?: number | undefined
  /** Jobs of one tenant that run at once. Default half of `concurrency`, so that there is room for another's at any time. */
  readonly tenantConcurrency?: number | undefined
  /** How often it looks for work that other processes have enqueued, in milliseconds. Default 500. */
  readonly pollMs?: number | undefined
  /** After how long a job of a worker that is silent is another's, in milliseconds: 1,000 or more. Default 30,000. */
  readonly holdMs?: number | undefined
  /** How often all tenants are looked at for work that nobody announced, as after a restore, in milliseconds. Default an hour. */
  readonly sweepMs?: number | undefined
  /** Hears of failures, those of jobs and those of the worker's own. Default: a process warning that names class and code. */
  readonly onError?: ((error: unknown, failure: JobFailure) => void) | undefined
}

export interface JobWorkerParts {
  readonly stores: JobStores
  readonly marks: WorkMarks
  readonly scope: TenantScope
  /** The tenant whatever its status. */
  readonly find: (id: TenantId) => Promise<Tenant | undefined>
  readonly weightOf: (tenant: Tenant) => number
  readonly clock: Clock
  /** Told what each attempt took. */
  readonly observer?: Pick<Required<TenancyObserver>, 'onWork'> | undefined
}

export const jobKind = 'job'
/** In milliseconds: when a tenant that may not be served is looked at again. */
const suspendedPauseMs = 60_000
const onboardingPauseMs = 5_000
/** A tenant with a job whose name is not known here is left to workers that know it, for so long. */
const othersPauseMs = 1_000
const retryPauseMaxMs = 3_600_000
/** Jobs that take less, on average, are taken this many of a tenant's at a time. */
const shortMs = 20
const shortBatch = 8

const toldOutcome = { done: 'done', completed: 'done', failed: 'failed', cancelled: 'ended', lost: 'ended', 'given back': 'ended' } as const

/** What a worker has of one tenant. */
interface Share {
  readonly tenantId: TenantId
  readonly runs: Set<JobRun>
  readonly ends: JobEnds
}

/** Runs jobs until it is closed. Made by `tenancy.startWorker()`. */
export class JobWorker {
  readonly #parts: JobWorkerParts
  readonly #kinds: ReadonlyMap<string, AnyTenantJob>
  readonly #tenantConcurrency: number
  readonly #holdMs: number
  readonly #onError: (error: unknown, failure: JobFailure) => void
  readonly #rooms: JobRooms
  readonly #rounds: TenantRounds
  readonly #shares = new Map<TenantId, Share>()
  readonly #left = new Map<TenantId, number>()
  /** What is being told to the tenants' databases. */
  readonly #telling = new Set<Promise<void>>()
  /** Of the latest jobs. Unknown ones are long: each tenant gets one room before another gets two. */
  #averageMs = Number.POSITIVE_INFINITY
  #renewing: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  /** @internal @throws {ConfigurationError} */
  constructor(parts: JobWorkerParts, options: JobWorkerOptions) {
    const { concurrency = 10, tenantConcurrency = Math.max(1, Math.floor(concurrency / 2)), holdMs = 30_000 } = options
    assertBounds({ concurrency: [concurrency, 1], tenantConcurrency: [tenantConcurrency, 1], holdMs: [holdMs, 1_000] })
    this.#parts = parts
    this.#kinds = kindsOf(options.jobs)
    this.#tenantConcurrency = tenantConcurrency
    this.#holdMs = holdMs
    this.#onError = options.onError ?? warn
    this.#rooms = new JobRooms({ roomsMax: concurrency, tenantMax: tenantConcurrency })
    const work: RoundsWork = {
      free: () => this.#rooms.free,
      sharers: (free) => (this.#averageMs < shortMs ? Math.ceil(free / shortBatch) : free),
      full: () => [...this.#rooms.full(), ...this.#leftToOthers()],
      visit: (tenantId, offered) => this.#visit(tenantId, offered),
      onError: (error, tenantId) => this.#report(error, { tenantId }),
    }
    const { pollMs, sweepMs } = options
    this.#rounds = new TenantRounds({ kind: jobKind, marks: parts.marks, work, pollMs, sweepMs, clock: parts.clock })
  }

  /** How many jobs run. */
  get running(): number {
    return this.#runs().length
  }

  /** @internal */
  start(): void {
    this.#rounds.start()
    this.#renewing = runOutside(() => setInterval(() => void this.#renew(), this.#holdMs / 3))
  }

  /** @internal A tenant has a new job, enqueued in this process. */
  wake(tenantId: TenantId): void {
    this.#left.delete(tenantId)
    if (this.#closing === undefined) this.#rounds.wake(tenantId)
  }

  /**
   * Takes no more jobs, waits for those that run, at most `waitMs` (default 30,000), then aborts the rest and gives them back: another worker
   * has them at once, and the attempt does not count.
   */
  async close(options: { readonly waitMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#close(options.waitMs ?? 30_000)
    await this.#closing
  }

  async #close(waitMs: number): Promise<void> {
    await this.#rounds.close()
    await settledWithin(Promise.all(this.#runs().map(({ outcome }) => outcome)), waitMs)
    for (const run of this.#runs()) run.giveBack()
    await Promise.all(this.#runs().map(({ outcome }) => outcome))
    while (this.#telling.size > 0) await Promise.all(this.#telling)
    await Promise.all([...this.#shares.values()].map(({ ends }) => ends.telling))
    clearInterval(this.#renewing)
  }

  #runs(): readonly JobRun[] {
    return [...this.#shares.values()].flatMap(({ runs }) => [...runs])
  }

  /** Takes what there is room for, and begins it. @returns in how many milliseconds there is more. */
  async #visit(tenantId: TenantId, offered: number): Promise<number | undefined> {
    // Before anything is waited for: whoever visits next sees what is left.
    const rooms = this.#rooms.reserve(tenantId, offered)
    if (rooms.size < 1) return 0
    try {
      const tenant = await this.#parts.find(tenantId)
      if (tenant === undefined || tenant.status === 'offboarding') return undefined
      if (tenant.status !== 'active') return tenant.status === 'suspended' ? suspendedPauseMs : onboardingPauseMs
      rooms.widen(offered * (this.#parts.weightOf(tenant) - 1))
      const store = this.#parts.stores.for(createTenantContext({ tenant }))
      const share = this.#shareOf(tenantId)
      const since = this.#parts.clock.monotonic()
      const names = this.#namesLeft(share)
      const jobsMax = rooms.size
      const jobs = await share.ends.goWith(store, (done) =>
        store.take({ names, jobsMax, hold: crypto.randomUUID(), holdMs: this.#holdMs, done }),
      )
      for (const job of jobs) this.#begin({ tenant, store, share, job, rooms, since })
      // There may well be more: it is looked for when there is room.
      if (jobs.length === jobsMax) return 0
      return await this.#outlook(tenantId, store, [...names.keys()])
    } finally {
      rooms.leave()
      this.#forgetIdle(tenantId)
    }
  }

  /** Advances the schedules that are due. @returns in how many milliseconds somebody must come. */
  async #outlook(tenantId: TenantId, store: JobStore, names: readonly string[]): Promise<number | undefined> {
    const { nextInMs, othersInMs, scheduleInMs } = await store.outlook(names)
    if (scheduleInMs === 0) {
      const now = new Date(this.#parts.clock.now())
      await advanceSchedules(store, { tenantId, now, onError: (error, name) => this.#report(error, { tenantId, name }) })
      return 0
    }
    if (othersInMs === 0) this.#left.set(tenantId, this.#parts.clock.monotonic() + othersPauseMs)
    return soonest([nextInMs, othersInMs, scheduleInMs])
  }

  /** Tenants with jobs that are due and not for this worker: their marks are for others, for a while. */
  #leftToOthers(): readonly TenantId[] {
    const now = this.#parts.clock.monotonic()
    for (const [tenantId, until] of this.#left) if (until <= now) this.#left.delete(tenantId)
    return [...this.#left.keys()]
  }

  /** How many of each name may begin. */
  #namesLeft({ runs }: Share): ReadonlyMap<string, number> {
    const names = new Map<string, number>()
    for (const { name, concurrency = this.#tenantConcurrency } of this.#kinds.values()) names.set(name, concurrency)
    for (const { job } of runs) names.set(job.name, (names.get(job.name) ?? 0) - 1)
    return new Map([...names].filter(([, left]) => left > 0))
  }

  #begin({ tenant, store, share, job, rooms, since }: Beginning): void {
    if (job.isCancelled) {
      share.ends.add(job, store)
      return
    }
    const run = this.#runOf({ tenant, store, job, since })
    if (!(run instanceof JobRun)) {
      this.#track(this.#fail(tenant.id, { store, job, error: run.refusedBy }, { isDead: true }))
      return
    }
    const leave = rooms.use()
    const begunAt = this.#parts.clock.monotonic()
    share.runs.add(run)
    this.#track(
      run.outcome.then(async (outcome) => {
        const ms = this.#parts.clock.monotonic() - begunAt
        this.#parts.observer?.onWork({ kind: 'job', tenant, name: job.name, ms, outcome: toldOutcome[outcome.kind] })
        await this.#conclude(share, run, outcome)
      }),
    )
    void run.ended.then(() => {
      const wasCapped = !this.#namesLeft(share).has(job.name)
      const ms = this.#parts.clock.monotonic() - begunAt
      this.#averageMs = Number.isFinite(this.#averageMs) ? 0.95 * this.#averageMs + 0.05 * ms : ms
      share.runs.delete(run)
      leave()
      // Others of its name may have waited for this one, and no mark says when it ends.
      if (wasCapped) this.wake(tenant.id)
      else this.#rounds.wake()
      this.#forgetIdle(tenant.id)
    })
  }

  #runOf({ tenant, store, job, since }: Pick<Beginning, 'tenant' | 'store' | 'job' | 'since'>): JobRun | { readonly refusedBy: unknown } {
    const kind = this.#kinds.get(job.name)
    try {
      // It is asked for by its name alone; and one that was begun too often has ended nobody could tell how.
      if (kind === undefined || job.attempt > job.attemptsMax) throw new JobLostError(`Whoever ran job ${job.id} died, each time.`)
      const { input, ...from } = readEnvelope(job.envelope)
      const context = createTenantContext({ tenant, ...from })
      const { scope } = this.#parts
      // In nobody's context: what the last job left is not there for the next.
      return runOutside(() => new JobRun({ scope, context, store, kind, job, input, heldUntil: since + this.#holdMs }))
    } catch (error) {
      return { refusedBy: error }
    }
  }

  async #conclude({ tenantId, ends }: Share, { job, store }: JobRun, outcome: RunOutcome): Promise<void> {
    if (outcome.kind === 'done' || outcome.kind === 'cancelled') ends.add(job, store)
    if (outcome.kind === 'given back') await this.#fail(tenantId, { store, job, error: outcome.error }, { retryInMs: 0 })
    if (outcome.kind !== 'failed') return
    const { error } = outcome
    const how = isOfTheTenant(error) ? { retryInMs: suspendedPauseMs } : { isDead: job.attempt >= job.attemptsMax }
    await this.#fail(tenantId, { store, job, error }, how)
  }

  /** @param how `retryInMs`: it has not failed by itself, and the attempt does not count. */
  async #fail(
    tenantId: TenantId,
    { store, job, error }: { readonly store: JobStore; readonly job: TakenJob; readonly error: unknown },
    { retryInMs, isDead = false }: { readonly retryInMs?: number | undefined; readonly isDead?: boolean | undefined },
  ): Promise<void> {
    const failure = { tenantId, jobId: job.id, name: job.name, attempt: job.attempt, isDead }
    const isAttempt = retryInMs === undefined
    if (isAttempt) this.#report(error, failure)
    const againInMs = isDead ? undefined : (retryInMs ?? pauseAfter(job))
    try {
      await store.fail({ ...job, retryInMs: againInMs, error: failureWords(error), isAttempt })
      if (againInMs !== undefined) await this.#parts.marks.mark(jobKind, tenantId, againInMs)
    } catch (tellingError) {
      // Its hold ends by itself.
      this.#report(tellingError, failure)
    }
  }

  async #renew(): Promise<void> {
    const shares = [...this.#shares.values()].map(({ runs }) => [...runs].filter((run) => !run.isOver))
    await Promise.all(shares.map((runs) => this.#renewAll(runs)))
  }

  /** @param runs of one tenant. */
  async #renewAll(runs: readonly JobRun[]): Promise<void> {
    const [first] = runs
    if (first === undefined) return
    const since = this.#parts.clock.monotonic()
    try {
      const jobs = runs.map(({ job }) => job)
      const { held, cancelled } = await first.store.renew(jobs, this.#holdMs)
      for (const run of runs) {
        if (cancelled.has(run.job.id)) run.cancel()
        if (held.has(run.job.id)) run.heldUntil = since + this.#holdMs
        else run.lose()
      }
    } catch (error) {
      this.#report(error, { tenantId: first.context.tenant.id })
    }
    // Nobody can be asked, and by now another may have it.
    for (const run of runs) if (run.heldUntil < this.#parts.clock.monotonic()) run.lose()
  }

  #shareOf(tenantId: TenantId): Share {
    const found = this.#shares.get(tenantId)
    if (found !== undefined) return found
    const { clock } = this.#parts
    const ends = new JobEnds({ clock, holdMs: this.#holdMs, onError: (error) => this.#report(error, { tenantId }) })
    const share: Share = { tenantId, runs: new Set(), ends }
    this.#shares.set(tenantId, share)
    return share
  }

  #forgetIdle(tenantId: TenantId): void {
    const share = this.#shares.get(tenantId)
    if (share === undefined || share.runs.size > 0 || !share.ends.isIdle) return
    this.#shares.delete(tenantId)
  }

  #track(telling: Promise<void>): void {
    const tracked = telling.finally(() => this.#telling.delete(tracked))
    this.#telling.add(tracked)
  }

  #report(error: unknown, failure: JobFailure): void {
    try {
      this.#onError(error, failure)
    } catch (listenerError) {
      warn(listenerError, failure)
    }
  }
}

interface Beginning {
  readonly tenant: Tenant
  readonly store: JobStore
  readonly share: Share
  readonly job: TakenJob
  readonly rooms: ReservedRooms
  /** When it was asked for, by the monotonic clock. */
  readonly since: number
}

/** The first pause, doubled by each failure; a quarter more or less, so that what failed together does not come again together. */
function pauseAfter({ id, attempt, retryPauseMs }: TakenJob): number {
  const pauseMs = Math.min(retryPauseMaxMs, retryPauseMs * 2 ** Math.min(attempt - 1, 30))
  // The end of a uuid of version 7 is random.
  const spread = Number.parseInt(id.slice(-8), 16) / 0xffff_ffff
  return Math.round(pauseMs * (0.75 + spread / 2))
}

function soonest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function kindsOf(jobs: readonly AnyTenantJob[]): ReadonlyMap<string, AnyTenantJob> {
  const kinds = new Map(jobs.map((job) => [job.name, job]))
  if (kinds.size === 0) throw new ConfigurationError('A worker needs jobs that it can run: startWorker({ jobs: [report] }).')
  if (kinds.size < jobs.length) throw new ConfigurationError('Two jobs of the worker have the same name.')
  return kinds
}

function assertBounds(bounds: Readonly<Record<string, readonly [value: number, min: number]>>): void {
  for (const [name, [value, min]] of Object.entries(bounds)) {
    if (!Number.isSafeInteger(value) || value < min)
      throw new ConfigurationError(`${name} is ${value}; it must be a whole number from ${min} on.`)
  }
}

function warn(error: unknown, { tenantId, jobId, name }: JobFailure): void {
  const whose = [name && `job ${name}`, jobId, tenantId && `of tenant ${tenantId}`].filter(Boolean).join(' ')
  process.emitWarning(`${failureWords(error)}${whose && `: ${whose}`}`, 'PartywallJobWarning')
}
