// An interactive transaction: read, change, read again.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export function transaction(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return compare(
    {
      benchmark: 'transaction',
      workload: 'transaction',
      subject: 'partywall',
      rivals: ['pg-named', 'pg-unnamed', 'rls-transaction', '@usebetterdev/tenant-drizzle'],
      measure: 'rate',
    },
    database,
    options,
  )
}
