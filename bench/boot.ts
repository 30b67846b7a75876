// What a start costs: createTenancy() on a warm database with 1,000 tenants, with every rule of the boot gate and the live canaries, until
// the first statement is answered; against a pool of pg's own until the same.

import pg from 'pg'
import { contextsOf, openTenancy } from './contenders/partywall.ts'
import type { BenchDatabase } from './database.ts'
import { quantile, quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const aimMs = 300

export async function boot({ site }: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const starts: number[] = []
  const pools: number[] = []
  for (let round = 0; round < Math.max(5, options.rounds); round++) {
    const start = performance.now()
    const tenancy = await openTenancy(site, 'bench boot')
    starts.push(performance.now() - start)
    const [context] = await contextsOf(tenancy, site.tenantIds.slice(0, 1))
    await tenancy.scope.run(context!, async () => await tenancy.query('select 1'))
    await tenancy.close()
    const begun = performance.now()
    const pool = new pg.Pool({ connectionString: site.urls.app, max: 1 })
    // A connection that the server ends later is nobody's error.
    pool.on('error', () => {})
    await pool.query('select 1')
    pools.push(performance.now() - begun)
    await pool.end()
  }
  // The first one compiles.
  const warm = starts.slice(1)
  return {
    benchmark: 'boot',
    ratios: { [`start/${aimMs}ms`]: quartiles(warm.map((ms) => ms / aimMs)) },
    figures: {
      'first start (ms)': starts[0]!,
      'start p50 (ms)': quantile(warm, 0.5),
      'start p99 (ms)': quantile(warm, 0.99),
      'pool of pg p50 (ms)': quantile(pools.slice(1), 0.5),
    },
    notes: [],
  }
}
