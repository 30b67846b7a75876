// The latest fifty rows of a tenant.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export function list(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return compare(
    {
      benchmark: 'list',
      workload: 'list',
      subject: 'partywall',
      rivals: ['pg-named', 'pg-unnamed', 'rls-transaction', '@usebetterdev/tenant-drizzle'],
      measure: 'rate',
    },
    database,
    options,
  )
}
