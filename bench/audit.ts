// What it costs to record every access: point reads with the recorder in batches, and with each read recorded before it is sent, against
// the same without. Windows are as long as some flushes, and end when what they recorded is written.

import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'

export async function audit(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const long = { ...options, windowMs: Math.max(options.windowMs, 2_000), rounds: Math.min(options.rounds, 7) }
  const clients = options.clients.filter((count) => count <= 16)
  const comparison = { workload: 'point-read', rivals: ['partywall'], measure: 'rate' } as const
  const batched = await compare({ ...comparison, benchmark: 'audit', subject: 'partywall-audited' }, database, { ...long, clients })
  const strict = await compare({ ...comparison, benchmark: 'audit', subject: 'partywall-strict' }, database, {
    ...long,
    clients,
    windowMs: Math.max(options.windowMs, 1_000),
    rounds: Math.min(options.rounds, 5),
  })
  const named = (result: BenchmarkResult, how: string): BenchmarkResult['ratios'] =>
    Object.fromEntries(Object.entries(result.ratios).map(([key, value]) => [key.replace('partywall/partywall', `${how}/off`), value]))
  return {
    benchmark: 'audit',
    ratios: { ...named(batched, 'batched'), ...named(strict, 'strict') },
    notes: [...batched.notes, ...strict.notes],
  }
}
