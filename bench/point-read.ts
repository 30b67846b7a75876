// One row by its primary key.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export function pointRead(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return compare(
    {
      benchmark: 'point-read',
      workload: 'point-read',
      subject: 'partywall',
      rivals: ['pg-named', 'pg-unnamed', 'rls-transaction', '@usebetterdev/tenant-drizzle'],
      measure: 'rate',
    },
    database,
    options,
  )
}
