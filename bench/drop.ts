// A tenant with many pooled rows is emptied, in the batches of the placement's defaults, while others read rows of the same table in
// an open loop: their 99th percentile meanwhile, over that of a window before it in the same round.

import type { PlacedTenant } from '../src/core/placement-adapter.ts'
import { parseTenantId } from '../src/core/tenant.ts'
import { AbortedError } from '../src/errors.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import { contextsOf, openTenancy } from './contenders/partywall.ts'
import type { BenchDatabase } from './database.ts'
import { openLoop } from './open-loop.ts'
import { quantile, quartiles, seeded } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'
import { documentId, expectRows, implied } from './workload.ts'

const readsPerSecond = 300
const readers = 100
const windowMs = 2_000
const roundsMax = 100
const table = 'app.documents'

export async function drop(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const rows = options.dropRows ?? 1_000_000
  await using bench = await openBenchFleet()
  const { site, superuser } = bench.database
  const tenant = await bigTenant(bench, rows)
  const others = await othersRows(bench, tenant)
  const tenancy = await openTenancy(site, 'bench drop')
  try {
    const contexts = await contextsOf(tenancy, site.tenantIds.slice(0, readers))
    const random = seeded(11)
    const read = async (): Promise<void> => {
      const number = Math.floor(random() * readers)
      const id = documentId(number, Math.floor(random() * site.rowsPerTenant))
      const found = await tenancy.scope.run(contexts[number]!, () => tenancy.query(implied.pointRead, [id]))
      expectRows(found.rows.length, 1)
    }
    await openLoop({ perSecond: readsPerSecond, durationMs: 3_000, seed: 1 }, read)
    const ratios: { readonly p50: number[]; readonly p99: number[] } = { p50: [], p99: [] }
    const all: { readonly alone: number[]; readonly during: number[] } = { alone: [], during: [] }
    const emptying = new Emptying(bench, tenant)
    let emptyingMs = 0
    for (let round = 1; emptying.deleted < rows; round++) {
      if (round > roundsMax) throw new RangeError(`${emptying.deleted} of ${rows} rows were deleted in ${roundsMax} rounds.`)
      const window = { perSecond: readsPerSecond, durationMs: windowMs }
      const alone = await openLoop({ ...window, seed: round }, read)
      const [during] = await Promise.all([openLoop({ ...window, seed: round }, read), emptying.goOn(windowMs)])
      emptyingMs += emptying.lastMs
      // The last round may have had nearly nothing to delete.
      if (emptying.lastMs < windowMs / 2) continue
      for (const [name, at] of [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const)
        ratios[name].push(quantile(during, at) / quantile(alone, at))
      all.alone.push(...alone)
      all.during.push(...during)
    }
    if ((await othersRows(bench, tenant)) !== others) throw new RangeError('Rows of other tenants are gone.')
    const [left] = await superuser.query(`select from ${table} where tenant_id = $1 limit 1`, [tenant.id])
    if (left !== undefined) throw new RangeError('Rows of the tenant are left.')
    return {
      benchmark: 'drop',
      ratios: { 'p99-during/alone': quartiles(ratios.p99), 'p50-during/alone': quartiles(ratios.p50) },
      figures: {
        'p50 ms alone': quantile(all.alone, 0.5),
        'p50 ms during': quantile(all.during, 0.5),
        'p99 ms alone': quantile(all.alone, 0.99),
        'p99 ms during': quantile(all.during, 0.99),
        'rows deleted/s': (rows * 1_000) / emptyingMs,
      },
      notes: [
        `${rows} rows in ${(emptyingMs / 1_000).toFixed(1)} s, ${readsPerSecond} reads/s of ${readers} tenants, ${ratios.p99.length} rounds`,
      ],
    }
  } finally {
    await tenancy.close()
  }
}

/** Emptying by the placement's own defaults, so long at a time: it goes on where it was stopped. */
class Emptying {
  readonly #bench: BenchFleet
  readonly #tenant: PlacedTenant
  deleted = 0
  lastMs = 0

  constructor(bench: BenchFleet, tenant: PlacedTenant) {
    this.#bench = bench
    this.#tenant = tenant
  }

  async goOn(durationMs: number): Promise<void> {
    const start = performance.now()
    try {
      await this.#bench.fleet.placements.for('pooled').empty(this.#tenant, {
        signal: AbortSignal.timeout(durationMs),
        onProgress: ({ count }) => {
          this.deleted += count
        },
      })
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error
    }
    this.lastMs = performance.now() - start
  }
}

/** A table behind the wall in which one tenant has nearly all the rows. */
async function bigTenant({ fleet, database: { superuser } }: BenchFleet, rows: number): Promise<PlacedTenant> {
  await fleet.tenants.onboard({ slug: 'big', name: 'Big', isolation: 'pooled' })
  const [row] = await superuser.query<{ id: string }>(`select t.id from partywall.tenants as t where t.slug = 'big'`)
  const id = parseTenantId(row!.id)
  await superuser.query(
    `insert into ${table} (tenant_id, title, body, created_at)
     select $1, 'Document ' || r, repeat(md5(r::text), 4), now() - r * interval '1 second' from generate_series(1, $2::int) as r`,
    [id, rows],
  )
  await superuser.query(`vacuum analyze ${table}`)
  await superuser.query('checkpoint')
  const tenant = await fleet.catalog.find({ kind: 'id', id })
  return { id, region: tenant!.region, keys: tenant!.keys, placement: tenant!.placement }
}

async function othersRows({ database: { superuser } }: BenchFleet, tenant: PlacedTenant): Promise<number> {
  const [row] = await superuser.query<{ count: string }>(`select count(*) as count from ${table} where tenant_id <> $1`, [tenant.id])
  return Number(row?.count)
}
