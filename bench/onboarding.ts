// New tenants a second, and how long each of them waits: pooled, with a schema, with a database, and from the stock. Beside it what
// the server itself can do in the same run: commits, and CREATE DATABASE from the very same template.

import type { Isolation } from '../src/core/placement.ts'
import { parseTenantSlug } from '../src/core/tenant.ts'
import type { Fleet } from '../src/fleet.ts'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import type { BenchDatabase } from './database.ts'
import { type Quartiles, quantile, quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const sideBySide = 4
const roundsMax = 5

interface Batch {
  readonly isolation: Isolation
  readonly count: number
  readonly clients: number
}

interface Timed {
  readonly perSecond: number
  readonly latenciesMs: readonly number[]
}

export async function onboarding(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  await using bench = await openBenchFleet()
  const newcomers = new Newcomers(bench.fleet)
  const count = options.tenants ?? 200
  const rounds = Math.min(options.rounds, roundsMax)
  for (const isolation of ['pooled', 'schema', 'database'] as const) await newcomers.onboard({ isolation, count: 8, clients: sideBySide })

  const figures: Record<string, number> = {}
  const commits = await commitsOf(bench, count)
  figures['commit p50 ms'] = quantile(commits.latenciesMs, 0.5)
  figures['commit p99 ms'] = quantile(commits.latenciesMs, 0.99)
  const latencies = (name: string, { latenciesMs }: Timed): void => {
    figures[`${name} p50 ms`] = quantile(latenciesMs, 0.5)
    figures[`${name} p99 ms`] = quantile(latenciesMs, 0.99)
  }
  for (const isolation of ['pooled', 'schema'] as const) {
    const alone = await newcomers.onboard({ isolation, count, clients: 1 })
    latencies(isolation, alone)
    figures[`${isolation}/s @1`] = alone.perSecond
    figures[`${isolation}/s @${sideBySide}`] = (await newcomers.onboard({ isolation, count, clients: sideBySide })).perSecond
  }
  const { made, ratio } = await databases(bench, newcomers, rounds, Math.max(4, Math.ceil(count / 20)))
  figures[`database/s @${sideBySide}`] = quantile(
    made.map(({ perSecond }) => perSecond),
    0.5,
  )
  latencies(`database @${sideBySide}`, { perSecond: 0, latenciesMs: made.flatMap(({ latenciesMs }) => latenciesMs) })
  for (const isolation of ['schema', 'database'] as const) {
    const stocked = isolation === 'schema' ? count : Math.ceil(count / 2)
    await bench.fleet.placements.stock.fill({ isolation, region: 'default', count: stocked })
    latencies(`stocked ${isolation}`, await newcomers.onboard({ isolation, count: stocked, clients: 1 }))
    const left = await bench.fleet.placements.stock.count({ isolation, region: 'default' })
    if (left > 0) throw new RangeError(`${left} places of the stock were not taken.`)
  }
  await newcomers.check()
  return { benchmark: 'onboarding', ratios: { 'database/create-database': ratio }, figures, notes: [] }
}

/** In each round some onboardings and as many copies of the same template, so many at a time. */
async function databases(
  { fleet, database }: BenchFleet,
  newcomers: Newcomers,
  rounds: number,
  count: number,
): Promise<{ readonly made: readonly Timed[]; readonly ratio: Quartiles }> {
  const template = await fleet.placements.templates.name()
  const admin = new ControlPool({ connectionString: database.site.superuserUrl, applicationName: 'bench raw', connectionsMax: sideBySide })
  const made: Timed[] = []
  const ratios: number[] = []
  try {
    for (let round = 0; round < rounds; round++) {
      const subject = await newcomers.onboard({ isolation: 'database', count, clients: sideBySide })
      const raw = await inTurns(count, sideBySide, (i) =>
        admin.query(`create database bench_raw_${round}_${i} template ${template} strategy wal_log allow_connections false`),
      )
      made.push(subject)
      ratios.push(subject.perSecond / raw.perSecond)
    }
  } finally {
    await admin.close()
  }
  return { made, ratio: quartiles(ratios) }
}

/** What this disk lets one session commit. */
async function commitsOf({ database: { superuser } }: BenchFleet, count: number): Promise<Timed> {
  await superuser.query('create table bench_commits (at timestamptz not null)')
  return await inTurns(count, 1, () => superuser.query('insert into bench_commits (at) values (now())'))
}

class Newcomers {
  readonly #fleet: Fleet
  readonly #slugs = new Map<Isolation, string[]>()

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  async onboard({ isolation, count, clients }: Batch): Promise<Timed> {
    const slugs = this.#slugs.get(isolation) ?? []
    this.#slugs.set(isolation, slugs)
    return await inTurns(count, clients, async () => {
      const slug = `${isolation}-${slugs.length}`
      slugs.push(slug)
      const { operation } = await this.#fleet.tenants.onboard({ slug, name: slug, isolation })
      if (operation?.state !== 'done') throw new RangeError(`The onboarding of ${slug} is ${operation?.state}.`)
    })
  }

  /** All are active where they should be, and the last of each kind is found to be sound. */
  async check(): Promise<void> {
    for (const [isolation, slugs] of this.#slugs) {
      for (const slug of slugs) {
        const tenant = await this.#fleet.catalog.find({ kind: 'slug', slug: parseTenantSlug(slug) })
        if (tenant?.status !== 'active' || tenant.placement.isolation !== isolation)
          throw new RangeError(`${slug} is not where it should be.`)
        if (slug !== slugs.at(-1) || isolation === 'pooled') continue
        const [finding] = await this.#fleet.placements.for(isolation).verify(tenant)
        if (finding !== undefined) throw new RangeError(`${slug}: ${finding.problem}`)
      }
    }
  }
}

/** `count` times `fn`, at most `clients` at a time. */
async function inTurns(count: number, clients: number, fn: (index: number) => Promise<unknown>): Promise<Timed> {
  const latenciesMs: number[] = []
  let next = 0
  const start = performance.now()
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      const begun = performance.now()
      await fn(index)
      latenciesMs.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: clients }, work))
  return { perSecond: (count * 1_000) / (performance.now() - start), latenciesMs }
}
