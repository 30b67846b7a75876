// One row, committed and on disk.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export function insert(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return compare(
    {
      benchmark: 'insert',
      workload: 'insert',
      subject: 'partywall',
      rivals: ['pg-named', 'pg-unnamed', 'rls-transaction', '@usebetterdev/tenant-drizzle'],
      measure: 'rate',
    },
    database,
    options,
  )
}
