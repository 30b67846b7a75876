// A tenant with many pooled rows is emptied, in the batches of the placement's defaults, while others read rows of the same table in
// an open loop: their 99th percentile meanwhile, over that of before and after.

import { setTimeout as wait } from 'node:timers/promises'
import type { PlacedTenant } from '../src/core/placement-adapter.ts'
import { parseTenantId } from '../src/core/tenant.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import { contextsOf, openTenancy } from './contenders/partywall.ts'
import type { BenchDatabase } from './database.ts'
import { openLoop } from './open-loop.ts'
import { quantile, quartiles, seeded } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'
import { documentId, expectRows, implied } from './workload.ts'

const readsPerSecond = 200
const readers = 100
const aloneMs = 10_000
const emptyingMsMax = 600_000
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
    const before = await openLoop({ perSecond: readsPerSecond, durationMs: aloneMs, seed: 2 }, read)
    const over = new AbortController()
    const start = performance.now()
    const emptying = empty(bench, tenant, rows).finally(() => over.abort())
    const [during] = await Promise.all([
      openLoop({ perSecond: readsPerSecond, durationMs: emptyingMsMax, seed: 3, until: over.signal }, read),
      emptying,
    ])
    const elapsedMs = performance.now() - start
    await wait(1_000)
    const after = await openLoop({ perSecond: readsPerSecond, durationMs: aloneMs, seed: 4 }, read)
    if ((await othersRows(bench, tenant)) !== others) throw new RangeError('Rows of other tenants are gone.')
    const [left] = await superuser.query(`select from ${table} where tenant_id = $1 limit 1`, [tenant.id])
    if (left !== undefined) throw new RangeError('Rows of the tenant are left.')
    const p99 = (latencies: readonly number[]): number => quantile(latencies, 0.99)
    const alone = [p99(before), p99(after)]
    return {
      benchmark: 'drop',
      ratios: {
        'p99-during/before': quartiles([p99(during) / p99(before)]),
        'p99-during/alone': quartiles(alone.map((each) => p99(during) / each)),
        'p50-during/before': quartiles([quantile(during, 0.5) / quantile(before, 0.5)]),
      },
      figures: {
        'p99 ms before': p99(before),
        'p99 ms during': p99(during),
        'p99 ms after': p99(after),
        'rows deleted/s': (rows * 1_000) / elapsedMs,
      },
      notes: [`${rows} rows in ${(elapsedMs / 1_000).toFixed(1)} s, ${readsPerSecond} reads/s of ${readers} tenants`],
    }
  } finally {
    await tenancy.close()
  }
}

async function empty({ fleet }: BenchFleet, tenant: PlacedTenant, rows: number): Promise<void> {
  const deleted = await fleet.placements.for('pooled').empty(tenant)
  const count = deleted.reduce((sum, each) => sum + each.count, 0)
  if (count !== rows) throw new RangeError(`${count} of ${rows} rows were deleted.`)
}

/** One whose rows lie between everybody else's: the table was filled over time. */
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
