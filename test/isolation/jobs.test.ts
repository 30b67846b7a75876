// Jobs, with their queue where this run's tenants live.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Actor } from '../../src/core/actor.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import {
  AbortedError,
  ConfigurationError,
  InvalidInputError,
  JobLostError,
  JobNotFoundError,
  NoTenantError,
  WrongTenantError,
} from '../../src/errors.ts'
import { PostgresJobStores } from '../../src/postgres/job-store.ts'
import { JobRun } from '../../src/resources/jobs/job-run.ts'
import type { JobFailure, JobWorker, JobWorkerOptions } from '../../src/resources/jobs/job-worker.ts'
import { type RunningJob, type TenantJobOptions, tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import type { TenantJobs } from '../../src/resources/jobs/tenant-jobs.ts'
import { type Stage, stage } from '../support/cast.ts'
import { anything, schemaOf } from '../support/schemas.ts'

let scene: Stage
const workers: JobWorker[] = []
const failures: (JobFailure & { readonly error: unknown })[] = []

const as = async <T>(tenant: Pick<Tenant, 'id'>, fn: (jobs: TenantJobs) => Promise<T>, actor?: Actor): Promise<T> =>
  await scene.tenancy.run(tenant.id, () => fn(scene.tenancy.jobs()), { actor })

function work(options: JobWorkerOptions): JobWorker {
  const worker = scene.tenancy.startWorker({ pollMs: 20, onError: (error, failure) => failures.push({ error, ...failure }), ...options })
  workers.push(worker)
  return worker
}

/** A kind of job whose runs are seen. */
function seen<Input = unknown>(name: string, does: (input: Input, job: RunningJob) => unknown = () => {}, options: TenantJobOptions = {}) {
  const runs: { readonly input: Input; readonly slug: string; readonly job: RunningJob }[] = []
  const job = tenantJob(
    name,
    anything<Input>(),
    async (input, running) => {
      runs.push({ input, slug: scene.tenancy.current().tenant.slug, job: running })
      await does(input, running)
    },
    options,
  )
  return { job, runs }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'not within twenty seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms))
const queue = async (): Promise<readonly { readonly name: string; readonly state: string }[]> =>
  await scene.alice<{ name: string; state: string }>('select name, state from queued_jobs order by id')

describe('where a tenant lives', () => {
  before(async () => {
    scene = await stage(undefined)
  })

  after(async () => {
    await scene.tenancy.close()
  })

  test('where there is no queue, what makes one is told', async () => {
    const { job } = seen('early')
    await assert.rejects(
      as(scene.bob, (jobs) => jobs.enqueue(job, {})),
      ConfigurationError,
    )
    await scene.migrate('select partywall.create_jobs()')
  })

  describe('jobs of tenants', () => {
    afterEach(async () => {
      await Promise.all(workers.splice(0).map((worker) => worker.close()))
      await scene.alice('delete from queued_jobs')
      await scene.alice('delete from job_schedules')
      failures.splice(0)
    })

    test('there are none without a tenant', () => {
      assert.throws(() => scene.tenancy.jobs(), NoTenantError)
    })

    test('a job runs in the scope of the tenant that enqueued it, on behalf of whoever did', async () => {
      const titles: string[] = []
      const { job, runs } = seen<{ month: string }>('report', async () => {
        const { rows } = await scene.tenancy.query<{ title: string }>('select title from notes order by number limit 1')
        titles.push(rows[0]!.title)
      })
      const actor: Actor = { kind: 'user', id: 'u-7' }
      const requestId = await as(
        scene.bob,
        async (jobs) => {
          await jobs.enqueue(job, { month: '2026-11' })
          return scene.tenancy.current().requestId
        },
        actor,
      )
      await as(scene.carol, (jobs) => jobs.enqueue(job, { month: '2026-12' }))
      work({ jobs: [job] })
      await until(() => titles.length === 2)
      assert.deepEqual(
        titles.toSorted(),
        ['bob’s note 1', 'carol’s note 1'].map((title) => title.replace('’', "'")),
      )
      const bobs = runs.find(({ slug }) => slug === 'bob')!
      assert.deepEqual(bobs.input, { month: '2026-11' })
      assert.deepEqual(bobs.job.context.actor, actor)
      assert.equal(bobs.job.context.requestId, requestId)
      await until(async () => (await queue()).length === 0)
    })

    test('a job that begins inside a scope is refused: the last one’s would be the next one’s', async () => {
      const { job } = seen('nested')
      const context = createTenantContext({ tenant: scene.carol })
      const taken = { id: 'x', hold: 'x', name: 'nested', envelope: '', attempt: 1, attemptsMax: 1, retryPauseMs: 1, isCancelled: false }
      const parts = { scope: scene.tenancy.scope, store: new PostgresJobStores(scene.tenancy).for(context), kind: job, input: {} }
      await scene.tenancy.run(scene.bob.id, () => {
        assert.throws(() => new JobRun({ ...parts, context, job: taken, heldUntil: Infinity }), WrongTenantError)
      })
    })

    test('what is no input of the job is refused before it is queued, and no value is told', async () => {
      const job = tenantJob(
        'strict',
        schemaOf<number>((value) => (typeof value === 'number' ? undefined : 'a number')),
        () => {},
      )
      // What a caller without types may send.
      await assert.rejects(
        as(scene.bob, (jobs) => jobs.enqueue(job, 'secret' as never)),
        (error: Error) => {
          assert.ok(error instanceof InvalidInputError)
          assert.match(error.message, /strict.*input: a number/)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
      const loose = seen('loose').job
      await assert.rejects(
        as(scene.bob, (jobs) => jobs.enqueue(loose, 1n)),
        InvalidInputError,
      )
      await assert.rejects(
        as(scene.bob, (jobs) => jobs.enqueue(loose, 'x'.repeat(1_100_000))),
        InvalidInputError,
      )
      await assert.rejects(
        as(scene.bob, (jobs) => jobs.enqueue(loose, 1, { delayMs: -1 })),
        InvalidInputError,
      )
      await assert.rejects(
        as(scene.bob, (jobs) => jobs.enqueue(loose, 1, { dedupeKey: 'schedule:x' })),
        InvalidInputError,
      )
      assert.deepEqual(await queue(), [])
    })

    test('a job enqueued in a transaction is there with it, or not at all', async () => {
      const { job, runs } = seen('in-transaction')
      await as(scene.bob, async (jobs) => {
        await assert.rejects(
          scene.tenancy.transaction(async (tx) => {
            await jobs.enqueue(job, 'undone', { tx })
            throw new RangeError('no')
          }),
          RangeError,
        )
        await scene.tenancy.transaction(async (tx) => {
          await jobs.enqueue(job, 'done', { tx })
        })
      })
      work({ jobs: [job] })
      await until(() => runs.length === 1)
      assert.deepEqual(
        runs.map(({ input }) => input),
        ['done'],
      )
    })

    test('no job is written in another tenant’s transaction', async () => {
      const { job } = seen('crossed')
      const carols = await as(scene.carol, async (jobs) => jobs)
      await scene.tenancy.run(scene.bob.id, async () => {
        await scene.tenancy.transaction(async (tx) => {
          await assert.rejects(carols.enqueue(job, 1, { tx }), WrongTenantError)
        })
      })
      assert.deepEqual(await queue(), [])
    })

    test('nobody finds, cancels, replays or discards another tenant’s jobs', async () => {
      const { job } = seen('hidden')
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      await scene.alice(`update queued_jobs set state = 'dead', died_at = now()`)
      await as(scene.carol, async (jobs) => {
        assert.equal(await jobs.find(id), undefined)
        assert.deepEqual(await jobs.list(), { jobs: [], next: undefined })
        await assert.rejects(jobs.cancel(id), JobNotFoundError)
        assert.equal(await jobs.replay({ id }), 0)
        assert.equal(await jobs.replay(), 0)
        assert.equal(await jobs.discard(), 0)
      })
      assert.equal((await as(scene.bob, (jobs) => jobs.find(id)))?.state, 'dead')
    })

    test('one that fails is tried again, then dead; and queued anew when somebody says so', async () => {
      let isMended = false
      const { job, runs } = seen(
        'failing',
        () => {
          if (!isMended) throw new RangeError('bob@example.com')
        },
        { attemptsMax: 3, retryPauseMs: 1 },
      )
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      work({ jobs: [job] })
      await until(async () => (await as(scene.bob, (jobs) => jobs.find(id)))?.state === 'dead')
      assert.deepEqual(
        runs.map((run) => run.job.attempt),
        [1, 2, 3],
      )
      assert.deepEqual(
        failures.map(({ isDead, attempt }) => [attempt, isDead]),
        [
          [1, false],
          [2, false],
          [3, true],
        ],
      )
      const { jobs: dead } = await as(scene.bob, (jobs) => jobs.list({ state: 'dead' }))
      // No text of the error's is kept: it may be anybody's address.
      assert.deepEqual(
        dead.map(({ error, name }) => [name, error]),
        [['failing', 'RangeError']],
      )
      isMended = true
      assert.equal(await as(scene.bob, (jobs) => jobs.replay({ name: 'failing' })), 1)
      await until(async () => (await queue()).length === 0)
      assert.equal(runs.length, 4)
    })

    test('a poisoned job of one tenant does not keep another’s waiting', async () => {
      const { job, runs } = seen<string>('poisoned', (input) => {
        if (input === 'poison') throw new RangeError('no')
      })
      await as(scene.bob, (jobs) =>
        jobs.enqueueAll(
          job,
          Array.from({ length: 50 }, () => 'poison'),
        ),
      )
      await as(scene.carol, (jobs) => jobs.enqueue(job, 'good'))
      work({ jobs: [job], concurrency: 2 })
      await until(() => runs.some(({ input }) => input === 'good'))
    })

    test('while one of a key waits or runs, there is no second one', async () => {
      const { job, runs } = seen('once')
      const made = await as(scene.bob, async (jobs) => [
        await jobs.enqueue(job, 1, { dedupeKey: 'k' }),
        await jobs.enqueue(job, 2, { dedupeKey: 'k' }),
      ])
      assert.deepEqual(
        made.map(({ isNew }) => isNew),
        [true, false],
      )
      assert.equal(made[0]?.id, made[1]?.id)
      // The same key is another one for another tenant.
      assert.equal((await as(scene.carol, (jobs) => jobs.enqueue(job, 3, { dedupeKey: 'k' }))).isNew, true)
      work({ jobs: [job] })
      await until(() => runs.length === 2)
      await until(async () => (await queue()).length === 0)
      assert.equal((await as(scene.bob, (jobs) => jobs.enqueue(job, 4, { dedupeKey: 'k' }))).isNew, true)
    })

    test('one that waits is taken away, and one that runs is asked to end', async () => {
      const { job, runs } = seen(
        'long',
        (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const { id: waiting } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1, { delayMs: 60_000 }))
      await as(scene.bob, (jobs) => jobs.cancel(waiting))
      assert.equal(await as(scene.bob, (jobs) => jobs.find(waiting)), undefined)
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 2))
      work({ jobs: [job], holdMs: 1_000 })
      await until(() => runs.length === 1)
      await as(scene.bob, (jobs) => jobs.cancel(id))
      await until(async () => (await queue()).length === 0)
      assert.ok(runs[0]!.job.signal.reason instanceof AbortedError)
      assert.equal(runs.length, 1)
    })

    test('one that takes too long is aborted, and has failed', async () => {
      const { job } = seen(
        'slow',
        (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
        {
          timeoutMs: 30,
          attemptsMax: 1,
        },
      )
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      work({ jobs: [job] })
      await until(async () => (await as(scene.bob, (jobs) => jobs.find(id)))?.state === 'dead')
      assert.ok(failures[0]?.error instanceof AbortedError)
    })

    test('progress is seen by whoever asks', async () => {
      const go = Promise.withResolvers<void>()
      const { job } = seen('telling', async (_input, running) => {
        await running.progress({ percent: 40 })
        await go.promise
      })
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      work({ jobs: [job] })
      await until(async () => (await as(scene.bob, (jobs) => jobs.find(id)))?.progress !== undefined)
      const told = await as(scene.bob, (jobs) => jobs.find(id))
      assert.deepEqual([told?.state, told?.progress], ['running', { percent: 40 }])
      go.resolve()
    })

    test('whoever was taken for dead changes nothing any more, and what another did is done once', async () => {
      const first = Promise.withResolvers<void>()
      const late: unknown[] = []
      const { job, runs } = seen('taken-over', async (_input, running) => {
        if (running.attempt === 1) await first.promise
        await scene.tenancy
          .transaction(async (tx) => {
            await tx.query('insert into notes (tenant_id, title) values ($1, $2)', [running.context.tenant.id, `effect ${running.attempt}`])
            await running.complete(tx)
          })
          .catch((error: unknown) => late.push(error))
      })
      await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      work({ jobs: [job] })
      await until(() => runs.length === 1)
      // As if its worker had been silent for as long as a hold lasts.
      await scene.alice(`update queued_jobs set run_at = now() - interval '1 second'`)
      await as(scene.bob, (jobs) => jobs.enqueue(seen('other').job, 1))
      await until(async () => (await queue()).every(({ name }) => name === 'other'))
      first.resolve()
      await until(() => late.length === 1)
      assert.ok(late[0] instanceof JobLostError)
      const effects = await scene.aliceIn(scene.bob, `delete from notes where title like 'effect %' returning title`)
      assert.deepEqual(effects, [{ title: 'effect 2' }])
    })

    test('a job that was completed in a transaction is over, whatever its handler does afterwards', async () => {
      const { job, runs } = seen('completing', async (_input, running) => {
        await scene.tenancy.transaction((tx) => running.complete(tx))
        throw new RangeError('after the end')
      })
      await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      work({ jobs: [job] })
      await until(() => runs.length === 1)
      await until(async () => (await queue()).length === 0)
      assert.deepEqual(failures, [])
    })

    test('the jobs of a tenant that is suspended wait until it is served again', async () => {
      const { job, runs } = seen('patient')
      await as(scene.carol, (jobs) => jobs.enqueue(job, 1))
      await scene.suspend(scene.carol)
      try {
        work({ jobs: [job] })
        await pause(200)
        assert.deepEqual(runs, [])
      } finally {
        await scene.resume(scene.carol)
      }
      // It would be looked at again in a minute.
      await as(scene.carol, (jobs) => jobs.enqueue(seen('nudge').job, 1))
      await until(() => runs.length === 1)
    })

    test('no more of a tenant’s jobs run at once than may, nor of a kind’s, and another’s job begins meanwhile', async () => {
      const go = Promise.withResolvers<void>()
      const wide = seen('wide', () => go.promise)
      const narrow = seen('narrow', () => go.promise, { concurrency: 1 })
      await as(scene.bob, async (jobs) => {
        await jobs.enqueueAll(narrow.job, [1, 2, 3])
        await jobs.enqueueAll(wide.job, Array.from({ length: 10 }))
      })
      work({ jobs: [wide.job, narrow.job], concurrency: 6, tenantConcurrency: 4 })
      await until(() => wide.runs.length + narrow.runs.length === 4)
      assert.equal(narrow.runs.length, 1)
      await as(scene.carol, (jobs) => jobs.enqueue(wide.job, 1))
      await until(() => wide.runs.some(({ slug }) => slug === 'carol'))
      assert.equal(wide.runs.filter(({ slug }) => slug === 'bob').length + narrow.runs.length, 4)
      go.resolve()
      await until(async () => (await queue()).length === 0)
      assert.equal(narrow.runs.length, 3)
    })

    test('a job that this worker does not know is left to one that does', async () => {
      const known = seen('known')
      const unknown = seen('unknown')
      await as(scene.bob, async (jobs) => {
        await jobs.enqueue(unknown.job, 1)
        await jobs.enqueue(known.job, 1)
      })
      work({ jobs: [known.job] })
      await until(() => known.runs.length === 1)
      assert.deepEqual(unknown.runs, [])
      work({ jobs: [unknown.job] })
      await until(() => unknown.runs.length === 1)
    })

    test('a worker that closes gives back what does not end, and it does not count as an attempt', async () => {
      const { job, runs } = seen(
        'given-back',
        (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      const worker = work({ jobs: [job] })
      await until(() => runs.length === 1)
      await worker.close({ waitMs: 0 })
      const told = await as(scene.bob, (jobs) => jobs.find(id))
      assert.deepEqual([told?.state, told?.attempt], ['queued', 0])
      assert.equal(worker.running, 0)
    })

    test('a schedule enqueues when its time comes, once for all the times that were missed', async () => {
      const { job, runs } = seen('nightly')
      const { isNew } = await as(scene.bob, (jobs) =>
        jobs.schedule('nightly-report', job, { n: 1 }, { cron: '0 2 * * *', timeZone: 'Europe/Berlin' }),
      )
      assert.equal(isNew, true)
      await scene.alice(`update job_schedules set next_at = now() - interval '3 days'`)
      await as(scene.bob, (jobs) => jobs.enqueue(job, { n: 2 }))
      work({ jobs: [job] })
      await until(() => runs.length === 2)
      await pause(100)
      assert.deepEqual(runs.map(({ input }) => (input as { n: number }).n).toSorted(), [1, 2])
      const [told] = await as(scene.bob, (jobs) => jobs.schedules())
      assert.ok(told!.nextAt.getTime() > Date.now())
      assert.ok(told!.lastAt !== undefined)
      assert.deepEqual(await as(scene.carol, (jobs) => jobs.schedules()), [])
      assert.equal(await as(scene.carol, (jobs) => jobs.unschedule('nightly-report')), false)
      assert.equal(await as(scene.bob, (jobs) => jobs.unschedule('nightly-report')), true)
    })

    test('an envelope that this version does not read is dead, and the next job runs', async () => {
      const { job, runs } = seen('enveloped')
      const { id } = await as(scene.bob, (jobs) => jobs.enqueue(job, 1))
      await scene.alice(`update queued_jobs set envelope = '{"version":99}'`)
      await as(scene.bob, (jobs) => jobs.enqueue(job, 2))
      work({ jobs: [job] })
      await until(() => runs.length === 1)
      await until(async () => (await as(scene.bob, (jobs) => jobs.find(id)))?.state === 'dead')
      assert.equal((await as(scene.bob, (jobs) => jobs.find(id)))?.error, 'InvalidInputError PW_INVALID_INPUT')
    })
  })
})
