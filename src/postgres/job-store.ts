// A tenant's queue, in the tables that partywall.create_jobs() makes among the tenant's own. Times are by the clock of the database they
// are in, so that processes need not agree on theirs.

import type { OpenTransaction } from '../core/open-transaction.ts'
import type { Json } from '../core/tenant.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { ConfigurationError, WrongTenantError } from '../errors.ts'
import type {
  FailedJob,
  HeldJob,
  InsertedJob,
  JobInfo,
  JobPage,
  JobSchedule,
  JobState,
  JobStore,
  JobStores,
  JobsOutlook,
  NewJob,
  TakeJobs,
  TakenJob,
} from '../resources/jobs/job-store.ts'
import type { TenantHandle } from './tenant-handle.ts'

/** @see JobStores */
export class PostgresJobStores implements JobStores {
  readonly #doors: { for(context: TenantContext): TenantHandle }

  /** @param doors a tenancy, or what opens a tenant's rows like one. */
  constructor(doors: { for(context: TenantContext): TenantHandle }) {
    this.#doors = doors
  }

  for(context: TenantContext): JobStore {
    return new PostgresJobStore(this.#doors.for(context))
  }
}

interface TakenRow {
  readonly id: string
  readonly name: string
  readonly envelope: string
  readonly attempt: number
  readonly attempts_max: number
  readonly retry_pause_ms: string
  readonly is_cancelled: boolean
}

interface OutlookRow {
  readonly next_in_ms: string | null
  readonly others_in_ms: string | null
  readonly schedule_in_ms: string | null
}

interface InfoRow {
  readonly id: string
  readonly name: string
  readonly state: JobState
  readonly run_at: Date
  readonly attempt: number
  readonly attempts_max: number
  readonly is_cancelling: boolean
  readonly progress: Json | null
  readonly error: string | null
  readonly created_at: Date
  readonly died_at: Date | null
}

interface ScheduleRow {
  readonly key: string
  readonly name: string
  readonly cron: string
  readonly time_zone: string
  readonly jitter_ms: string
  readonly envelope: string
  readonly attempts_max: number
  readonly retry_pause_ms: string
  readonly next_at: Date
  readonly last_at: Date | null
}

const infoColumns = `j.id, j.name, j.state, j.run_at, j.attempt, j.attempts_max, j.cancel_asked_at is not null as is_cancelling, j.progress,
  j.error, j.created_at, j.died_at`
const scheduleColumns = `s.key, s.name, s.cron, s.time_zone, s.jitter_ms, s.envelope, s.attempts_max, s.retry_pause_ms, s.next_at, s.last_at`

const insertText = `
  with wanted as (
    select w.* from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[], $8::integer[], $9::bigint[])
      with ordinality as w (id, name, envelope, run_at, delay_ms, dedupe_key, attempts_max, retry_pause_ms, n)
  ), made as (
    insert into queued_jobs (tenant_id, id, name, envelope, run_at, dedupe_key, attempts_max, retry_pause_ms)
    select $1, w.id, w.name, w.envelope, coalesce(w.run_at, clock_timestamp()) + w.delay_ms * interval '1 millisecond', w.dedupe_key,
           w.attempts_max, w.retry_pause_ms
      from wanted as w
     order by w.n
        on conflict (tenant_id, name, dedupe_key) where state <> 'dead' do nothing
    returning id
  )
  select coalesce(m.id, j.id) as id, m.id is not null as is_new
    from wanted as w
    left join made as m on m.id = w.id
    left join queued_jobs as j on m.id is null and j.tenant_id = $1 and j.name = w.name and j.dedupe_key = w.dedupe_key and j.state <> 'dead'
   order by w.n`

/** What is due, and away with what is done. It is on the way of every job: what it does not need to know is asked apart. */
const takeText = (withDone: boolean): string => `
  with ${withDone ? `${doneCte}, ` : ''}due as (
    select d.id
      from unnest($2::text[], $3::integer[]) as k (name, jobs_max)
     cross join lateral (
       select j.id, j.run_at
         from queued_jobs as j
        where j.tenant_id = $1 and j.name = k.name and j.state in ('queued', 'running') and j.run_at <= now()
              ${withDone ? 'and j.id <> all ($7)' : ''}
        order by j.run_at, j.id
        limit k.jobs_max
          for update skip locked
     ) as d
     order by d.run_at, d.id
     limit $4
  )
  update queued_jobs as j
     set state = 'running', hold = $5, attempt = j.attempt + 1, progress = null, error = null,
         run_at = clock_timestamp() + $6 * interval '1 millisecond'
    from due
   where j.tenant_id = $1 and j.id = due.id
  returning j.id, j.name, j.envelope, j.attempt, j.attempts_max, j.retry_pause_ms, j.cancel_asked_at is not null as is_cancelled`

const doneCte = `done as (
    delete from queued_jobs as j using unnest($7::uuid[], $8::uuid[]) as d (id, hold)
     where j.tenant_id = $1 and j.id = d.id and j.hold = d.hold
  )`
const takeAlone = takeText(false)
const takeWithDone = takeText(true)

// Names are found by skipping from one to the next in the index, so that a hundred thousand of one name do not hide the one of another.
const outlookText = `
  with recursive names (name) as (
    (select j.name from queued_jobs as j where j.tenant_id = $1 and j.state in ('queued', 'running') order by j.name limit 1)
    union all
    select (select j.name from queued_jobs as j
             where j.tenant_id = $1 and j.state in ('queued', 'running') and j.name > n.name order by j.name limit 1)
      from names as n
     where n.name is not null
  ), next as (
    select n.name = any ($2::text[]) as is_mine,
           (select j.run_at from queued_jobs as j
             where j.tenant_id = $1 and j.name = n.name and j.state in ('queued', 'running')
             order by j.run_at, j.id limit 1) as run_at
      from names as n
     where n.name is not null
  )
  select extract(epoch from min(next.run_at) filter (where next.is_mine) - now()) * 1000 as next_in_ms,
         extract(epoch from min(next.run_at) filter (where not next.is_mine) - now()) * 1000 as others_in_ms,
         extract(epoch from (select s.next_at from job_schedules as s where s.tenant_id = $1 order by s.next_at limit 1) - now()) * 1000
           as schedule_in_ms
    from next`

class PostgresJobStore implements JobStore {
  readonly #handle: TenantHandle
  readonly #tenantId: string

  constructor(handle: TenantHandle) {
    this.#handle = handle
    this.#tenantId = handle.context.tenant.id
  }

  async insert(jobs: readonly NewJob[], tx: OpenTransaction | undefined): Promise<readonly InsertedJob[]> {
    const values = [
      jobs.map(({ id }) => id),
      jobs.map(({ name }) => name),
      jobs.map(({ envelope }) => envelope),
      jobs.map(({ runAt }) => runAt),
      jobs.map(({ delayMs }) => delayMs),
      jobs.map(({ dedupeKey }) => dedupeKey),
      jobs.map(({ attemptsMax }) => attemptsMax),
      jobs.map(({ retryPauseMs }) => retryPauseMs),
    ]
    for (;;) {
      const rows = await this.#rows<{ readonly id: string | null; readonly is_new: boolean }>(insertText, values, tx)
      const inserted = rows.flatMap(({ id, is_new }) => (id === null ? [] : [{ id, isNew: is_new }]))
      // One with the same key went between the two looks: the next one finds it, or finds none and inserts.
      if (inserted.length === jobs.length) return inserted
    }
  }

  async take({ names, jobsMax, hold, holdMs, done }: TakeJobs): Promise<readonly TakenJob[]> {
    const values = [[...names.keys()], [...names.values()].map((max) => Math.min(max, jobsMax)), jobsMax, hold, holdMs]
    const rows =
      done.length === 0
        ? await this.#rows<TakenRow>(takeAlone, values)
        : await this.#rows<TakenRow>(takeWithDone, [...values, done.map(({ id }) => id), done.map((each) => each.hold)])
    return rows.map((row) => ({
      id: row.id,
      hold,
      name: row.name,
      envelope: row.envelope,
      attempt: row.attempt,
      attemptsMax: row.attempts_max,
      retryPauseMs: Number(row.retry_pause_ms),
      isCancelled: row.is_cancelled,
    }))
  }

  async outlook(names: readonly string[]): Promise<JobsOutlook> {
    const [row] = await this.#rows<OutlookRow>(outlookText, [names])
    return { nextInMs: msOf(row?.next_in_ms), othersInMs: msOf(row?.others_in_ms), scheduleInMs: msOf(row?.schedule_in_ms) }
  }

  async finish(done: readonly HeldJob[]): Promise<void> {
    await this.#rows(
      `delete from queued_jobs as j using unnest($2::uuid[], $3::uuid[]) as d (id, hold)
        where j.tenant_id = $1 and j.id = d.id and j.hold = d.hold`,
      [done.map(({ id }) => id), done.map(({ hold }) => hold)],
    )
  }

  async fail({ id, hold, retryInMs, error, isAttempt }: FailedJob): Promise<boolean> {
    return await this.#changes(
      `update queued_jobs as j
          set state = case when $4::bigint is null then 'dead' else 'queued' end,
              run_at = clock_timestamp() + coalesce($4::bigint, 0) * interval '1 millisecond',
              died_at = case when $4::bigint is null then clock_timestamp() end,
              attempt = j.attempt - case when $6::boolean then 0 else 1 end,
              hold = null, error = $5
        where j.tenant_id = $1 and j.id = $2 and j.hold = $3`,
      [id, hold, retryInMs, error, isAttempt],
    )
  }

  async renew(held: readonly HeldJob[], holdMs: number) {
    const rows = await this.#rows<{ readonly id: string; readonly is_cancelled: boolean }>(
      `update queued_jobs as j set run_at = clock_timestamp() + $4 * interval '1 millisecond'
         from unnest($2::uuid[], $3::uuid[]) as h (id, hold)
        where j.tenant_id = $1 and j.id = h.id and j.hold = h.hold
       returning j.id, j.cancel_asked_at is not null as is_cancelled`,
      [held.map(({ id }) => id), held.map(({ hold }) => hold), holdMs],
    )
    return {
      held: new Set(rows.map(({ id }) => id)),
      cancelled: new Set(rows.filter((row) => row.is_cancelled).map(({ id }) => id)),
    }
  }

  async progress({ id, hold }: HeldJob, text: string): Promise<boolean> {
    return await this.#changes('update queued_jobs as j set progress = $4::jsonb where j.tenant_id = $1 and j.id = $2 and j.hold = $3', [
      id,
      hold,
      text,
    ])
  }

  async complete({ id, hold }: HeldJob, tx: OpenTransaction): Promise<boolean> {
    const rows = await this.#rows(
      'delete from queued_jobs as j where j.tenant_id = $1 and j.id = $2 and j.hold = $3 returning j.id',
      [id, hold],
      tx,
    )
    return rows.length === 1
  }

  async find(id: string): Promise<JobInfo | undefined> {
    const rows = await this.#rows<InfoRow>(`select ${infoColumns} from queued_jobs as j where j.tenant_id = $1 and j.id = $2`, [id])
    return rows.map(infoOf)[0]
  }

  async page({ state, name, after, limit }: JobPage): Promise<readonly JobInfo[]> {
    const rows = await this.#rows<InfoRow>(
      `select ${infoColumns}
         from queued_jobs as j
        where j.tenant_id = $1
          and ($2::text is null or j.state = $2) and ($3::text is null or j.name = $3) and ($4::uuid is null or j.id > $4)
        order by j.id
        limit $5`,
      [state, name, after, limit],
    )
    return rows.map(infoOf)
  }

  async cancel(id: string, tx: OpenTransaction | undefined): Promise<boolean> {
    const rows = await this.#rows(
      `with gone as (
         delete from queued_jobs as j where j.tenant_id = $1 and j.id = $2 and j.state = 'queued' returning j.id
       ), asked as (
         update queued_jobs as j set cancel_asked_at = coalesce(j.cancel_asked_at, clock_timestamp())
          where j.tenant_id = $1 and j.id = $2 and j.state = 'running' returning j.id
       )
       select gone.id from gone union all select asked.id from asked`,
      [id],
      tx,
    )
    return rows.length > 0
  }

  async replay({ id, name }: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number> {
    const { rowCount } = await this.#answer(() =>
      this.#handle.query(
        `update queued_jobs as j
            set state = 'queued', attempt = 0, run_at = clock_timestamp(), died_at = null, cancel_asked_at = null
          where j.tenant_id = $1 and j.state = 'dead' and ($2::uuid is null or j.id = $2) and ($3::text is null or j.name = $3)
            and not exists (
              select from queued_jobs as same
               where same.tenant_id = $1 and same.name = j.name and same.dedupe_key = j.dedupe_key and same.state <> 'dead'
            )
            and (j.dedupe_key is null or j.id = (
              select max(same.id::text)::uuid from queued_jobs as same
               where same.tenant_id = $1 and same.name = j.name and same.dedupe_key = j.dedupe_key and same.state = 'dead'
                 and ($2::uuid is null or same.id = $2)
            ))`,
        [this.#tenantId, id, name],
      ),
    )
    return rowCount ?? 0
  }

  async discard({ id, name }: { readonly id?: string | undefined; readonly name?: string | undefined }): Promise<number> {
    const { rowCount } = await this.#answer(() =>
      this.#handle.query(
        `delete from queued_jobs as j
          where j.tenant_id = $1 and j.state = 'dead' and ($2::uuid is null or j.id = $2) and ($3::text is null or j.name = $3)`,
        [this.#tenantId, id, name],
      ),
    )
    return rowCount ?? 0
  }

  async putSchedule(schedule: JobSchedule): Promise<boolean> {
    const { key, name, cron, timeZone, jitterMs, envelope, attemptsMax, retryPauseMs, nextAt } = schedule
    const [row] = await this.#rows<{ readonly is_new: boolean }>(
      `with before as (select s.key from job_schedules as s where s.tenant_id = $1 and s.key = $2), put as (
         insert into job_schedules as s
           (tenant_id, key, name, cron, time_zone, jitter_ms, envelope, attempts_max, retry_pause_ms, next_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict on constraint job_schedules_pkey
             do update set name = excluded.name, cron = excluded.cron, time_zone = excluded.time_zone, jitter_ms = excluded.jitter_ms,
                           envelope = excluded.envelope, attempts_max = excluded.attempts_max,
                           retry_pause_ms = excluded.retry_pause_ms,
                           next_at = case when s.cron = excluded.cron and s.time_zone = excluded.time_zone and s.jitter_ms = excluded.jitter_ms
                             then s.next_at else excluded.next_at end
       )
       select not exists (select from before) as is_new`,
      [key, name, cron, timeZone, jitterMs, envelope, attemptsMax, retryPauseMs, nextAt],
    )
    return row?.is_new === true
  }

  async removeSchedule(key: string): Promise<boolean> {
    return await this.#changes('delete from job_schedules as s where s.tenant_id = $1 and s.key = $2', [key])
  }

  async schedules({ areDue = false }: { readonly areDue?: boolean | undefined } = {}): Promise<readonly JobSchedule[]> {
    const rows = await this.#rows<ScheduleRow>(
      `select ${scheduleColumns} from job_schedules as s
        where s.tenant_id = $1 and (not $2::boolean or s.next_at <= now())
        order by s.next_at, s.key`,
      [areDue],
    )
    return rows.map((row) => ({
      key: row.key,
      name: row.name,
      cron: row.cron,
      timeZone: row.time_zone,
      jitterMs: Number(row.jitter_ms),
      envelope: row.envelope,
      attemptsMax: row.attempts_max,
      retryPauseMs: Number(row.retry_pause_ms),
      nextAt: row.next_at,
      lastAt: row.last_at ?? undefined,
    }))
  }

  async advance(schedule: JobSchedule, job: NewJob, nextAt: Date): Promise<boolean> {
    return await this.#answer(() =>
      this.#handle.transaction(
        async (tx) => {
          const { rowCount } = await tx.query(
            `update job_schedules as s set next_at = $4, last_at = s.next_at
              where s.tenant_id = $1 and s.key = $2 and date_trunc('milliseconds', s.next_at) = $3 and s.next_at <= clock_timestamp()`,
            [this.#tenantId, schedule.key, schedule.nextAt, nextAt],
          )
          if (rowCount !== 1) return false
          await this.insert([job], tx)
          return true
        },
        { isolation: 'read committed' },
      ),
    )
  }

  async #changes(text: string, values: readonly unknown[]): Promise<boolean> {
    const { rowCount } = await this.#answer(() => this.#handle.query(text, [this.#tenantId, ...values]))
    return rowCount === 1
  }

  async #rows<Row>(text: string, values: readonly unknown[], tx?: OpenTransaction): Promise<readonly Row[]> {
    if (tx !== undefined && tx.context.tenant.id !== this.#tenantId) {
      throw new WrongTenantError(`The transaction is of tenant ${tx.context.tenant.id}, the jobs of tenant ${this.#tenantId}.`)
    }
    const { rows } = await this.#answer(() => (tx ?? this.#handle).query<Row>(text, [this.#tenantId, ...values]))
    return rows
  }

  /** @throws {ConfigurationError} with what mends it, when the tables are not there. */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== '42P01') throw error
      throw new ConfigurationError('There is no queue of jobs where the tenant lives. Write a migration: select partywall.create_jobs();', {
        cause: error,
      })
    }
  }
}

function msOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Math.max(0, Math.ceil(Number(text)))
}

function infoOf(row: InfoRow): JobInfo {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    runAt: row.run_at,
    attempt: row.attempt,
    attemptsMax: row.attempts_max,
    isCancelling: row.is_cancelling,
    progress: row.progress ?? undefined,
    error: row.error ?? undefined,
    createdAt: row.created_at,
    diedAt: row.died_at ?? undefined,
  }
}
