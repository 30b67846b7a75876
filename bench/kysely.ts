// Kysely on the wall, where the tenant is implied, against Kysely on plain pg with a WHERE written by hand.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export function kysely(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return compare(
    { benchmark: 'kysely', workload: 'point-read', subject: 'kysely-partywall', rivals: ['kysely-pg'], measure: 'rate' },
    database,
    options,
  )
}
