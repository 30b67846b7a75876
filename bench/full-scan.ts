// A count over half of a big table, on a column without an index, with the explicit predicate. Times, so less is better.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export async function fullScan(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const before = await scans(database)
  const result = await compare(
    { benchmark: 'full-scan', workload: 'full-scan', subject: 'partywall', rivals: ['pg-named'], measure: 'time' },
    database,
    { ...options, clients: [1] },
  )
  const after = await scans(database)
  return {
    ...result,
    notes: [...result.notes, `${after.sequential - before.sequential} sequential scans, ${after.indexed - before.indexed} by an index`],
  }
}

/** Whether the planner did what this benchmark is about. */
async function scans(database: BenchDatabase): Promise<{ readonly sequential: number; readonly indexed: number }> {
  const [row] = await database.superuser.query<{ sequential: number; indexed: number }>(
    `select seq_scan::int as sequential, coalesce(idx_scan, 0)::int as indexed
       from pg_catalog.pg_stat_user_tables where schemaname = 'app' and relname = 'readings'`,
  )
  return row!
}
