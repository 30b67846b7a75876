// Jobs a second, from enqueueing to their end; and what a new job of one tenant waits while another has a hundred thousand queued, over
// what it waits alone.

import { type StandardSchema, tenantJob } from '../src/index.ts'
import { createTenancy, type Tenancy } from '../src/tenancy.ts'
import type { BenchDatabase } from './database.ts'
import { quantile, quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const tenantsAtWork = 100
const jobsPerTenant = 50
const backlog = 100_000
const probes = 40
const roundsMax = 5

const anything: StandardSchema = { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value }) } }

export async function jobs({ site, superuser }: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  await superuser.query(`
    set role partywall_owner;
    set search_path = app;
    select partywall.create_jobs();
    reset role;
    reset search_path`)
  const tenancy = await createTenancy({ catalog: site.urls.gatekeeper, database: site.urls.app })
  try {
    const rounds = Math.min(options.rounds, roundsMax)
    const tenantIds = site.tenantIds.slice(0, tenantsAtWork)
    const rates: number[] = []
    const loneRates: number[] = []
    for (let round = 0; round < rounds; round++) {
      rates.push(await rate(tenancy, tenantIds, jobsPerTenant))
      loneRates.push(await rate(tenancy, tenantIds.slice(0, 1), tenantsAtWork * jobsPerTenant))
    }
    const [hog, other] = site.tenantIds.slice(tenantsAtWork) as [string, string]
    const alone = await waits(tenancy, other)
    await superuser.query(
      `insert into app.queued_jobs (tenant_id, id, name, run_at, envelope, attempts_max, retry_pause_ms)
       select $1, gen_random_uuid(), 'hog', now(), '{"version":1,"actor":{"kind":"system","id":"bench"},"requestId":"r","trace":null}', 1, 1
         from generate_series(1, ${backlog})`,
      [hog],
    )
    await superuser.query(`analyze app.queued_jobs`)
    await superuser.query(`select partywall.mark_work('job', array[$1::uuid], '{0}')`, [hog])
    const beside = await waits(tenancy, other, hogJob)
    await superuser.query('truncate app.queued_jobs')
    return {
      benchmark: 'jobs',
      ratios: {
        'p50-wait-beside-a-hog/alone': quartiles([quantile(beside, 0.5) / quantile(alone, 0.5)]),
        'p95-wait-beside-a-hog/alone': quartiles([quantile(beside, 0.95) / quantile(alone, 0.95)]),
      },
      figures: {
        'jobs/s of 100 tenants': quantile(rates, 0.5),
        'jobs/s of one tenant': quantile(loneRates, 0.5),
        'alone p50 ms': quantile(alone, 0.5),
        'alone p95 ms': quantile(alone, 0.95),
        'beside a hog p50 ms': quantile(beside, 0.5),
        'beside a hog p95 ms': quantile(beside, 0.95),
      },
      notes: [`the hog has ${backlog} jobs of 5 ms queued`],
    }
  } finally {
    await tenancy.close()
  }
}

const hogJob = tenantJob('hog', anything, async () => {
  await new Promise((resolve) => setTimeout(resolve, 5))
})

/** Jobs that do nothing, enqueued beforehand, from the start of a worker to the end of the last. */
async function rate(tenancy: Tenancy, tenantIds: readonly string[], count: number): Promise<number> {
  let left = tenantIds.length * count
  const all = Promise.withResolvers<void>()
  const nothing = tenantJob('nothing', anything, () => {
    left -= 1
    if (left === 0) all.resolve()
  })
  const inputs = Array.from({ length: Math.min(count, 1_000) }, (_, i) => i)
  for (const id of tenantIds) {
    for (let made = 0; made < count; made += inputs.length) {
      await tenancy.run(id, () => tenancy.jobs().enqueueAll(nothing, inputs))
    }
  }
  const jobsAll = left
  const startedAt = performance.now()
  const worker = tenancy.startWorker({ jobs: [nothing], concurrency: 100, tenantConcurrency: 50 })
  await all.promise
  const seconds = (performance.now() - startedAt) / 1_000
  await worker.close()
  return jobsAll / seconds
}

/** From enqueueing to the beginning, one after another. */
async function waits(tenancy: Tenancy, tenantId: string, ...others: readonly (typeof hogJob)[]): Promise<readonly number[]> {
  let begun = Promise.withResolvers<void>()
  const probe = tenantJob('probe', anything, () => begun.resolve())
  const worker = tenancy.startWorker({ jobs: [probe, ...others], concurrency: 10 })
  await new Promise((resolve) => setTimeout(resolve, 500))
  const found: number[] = []
  for (let i = 0; i < probes; i++) {
    begun = Promise.withResolvers<void>()
    const startedAt = performance.now()
    await tenancy.run(tenantId, () => tenancy.jobs().enqueue(probe, i))
    await begun.promise
    found.push(performance.now() - startedAt)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await worker.close()
  return found
}
