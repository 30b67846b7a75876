// `npm run bench [-- name…] [--json] [--rounds N] [--clients 1,16,64] [--rows N] [--tenants N] [--drop-rows N]`
//                    `[--move-rows N] [--schemas N] [--databases N]`
//
// Without names, all. Figures are ratios of windows in the same round: docs/benchmarks.md has the method and the results.

import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { audit } from './audit.ts'
import { auditVerify } from './audit-verify.ts'
import { boot } from './boot.ts'
import { cache } from './cache.ts'
import { connections } from './connections.ts'
import { context } from './context.ts'
import { type BenchDatabase, openDatabase, settings } from './database.ts'
import { doctor } from './doctor.ts'
import { drop } from './drop.ts'
import { events } from './events.ts'
import { fleet } from './fleet.ts'
import { fullScan } from './full-scan.ts'
import { insert } from './insert.ts'
import { jobs } from './jobs.ts'
import { kysely } from './kysely.ts'
import { list } from './list.ts'
import { move } from './move.ts'
import { noisyNeighbour } from './noisy-neighbour.ts'
import { onboarding } from './onboarding.ts'
import { databasePlacement, schemaPlacement } from './placed.ts'
import { pointRead } from './point-read.ts'
import type { Quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'
import { search } from './search.ts'
import { telemetry } from './telemetry.ts'
import { transaction } from './transaction.ts'

type Benchmark = (database: BenchDatabase, options: RunOptions) => Promise<BenchmarkResult>

const benchmarks: Readonly<Record<string, Benchmark>> = {
  'point-read': pointRead,
  insert,
  list,
  transaction,
  'full-scan': fullScan,
  kysely,
  'noisy-neighbour': noisyNeighbour,
  'schema-placement': schemaPlacement,
  'database-placement': databasePlacement,
  onboarding,
  connections,
  drop,
  move,
  context,
  boot,
  audit,
  'audit-verify': auditVerify,
  fleet,
  doctor,
  jobs,
  events,
  search,
  cache,
  telemetry,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '21' },
    clients: { type: 'string', default: '1,16,64' },
    rows: { type: 'string', default: '200000' },
    window: { type: 'string', default: '160' },
    tenants: { type: 'string' },
    'drop-rows': { type: 'string' },
    'move-rows': { type: 'string' },
    schemas: { type: 'string', default: '10000' },
    databases: { type: 'string', default: '100' },
  },
})

const names = positionals.length > 0 ? positionals : Object.keys(benchmarks)
const unknown = names.filter((name) => !(name in benchmarks))
const options: RunOptions = {
  rounds: Number(values.rounds),
  clients: values.clients.split(',').map(Number),
  windowMs: Number(values.window),
  ...(values.tenants !== undefined && { tenants: Number(values.tenants) }),
  ...(values['move-rows'] !== undefined && { moveRows: Number(values['move-rows']) }),
  ...(values['drop-rows'] !== undefined && { dropRows: Number(values['drop-rows']) }),
  fleet: { schemas: Number(values.schemas), databases: Number(values.databases) },
  // People read on stderr when a machine reads stdout.
  log: values.json ? (line) => console.error(line) : (line) => console.log(line),
}
const rows = Number(values.rows)
const isGood = [
  options.rounds,
  options.windowMs,
  options.tenants ?? 1,
  options.dropRows ?? 1,
  options.moveRows ?? 1,
  options.fleet.schemas,
  options.fleet.databases,
  rows,
  ...options.clients,
].every((value) => Number.isInteger(value) && value > 0)
if (unknown.length > 0 || !isGood) {
  console.error(
    `Usage: npm run bench [-- name…] [--json] [--rounds N] [--clients 1,16,64] [--rows N] [--tenants N] [--drop-rows N] [--schemas N] [--databases N]\nNames: ${Object.keys(benchmarks).join(', ')}`,
  )
  process.exit(2)
}
await main()

async function main(): Promise<void> {
  const { log } = options
  await using database = await openDatabase({ rows, gates: Math.min(rows, 200_000) })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await database[Symbol.asyncDispose]()
      process.exit(1)
    })
  }
  log(
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, PostgreSQL ${database.version}`,
  )
  log(`${rows} rows, 1,000 tenants, ${database.site.connectionsMax} connections each, ${options.rounds} rounds of ${options.windowMs} ms`)
  log(
    `server: ${Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}\n`,
  )
  const lines: string[] = []
  for (const name of names) {
    const result = await benchmarks[name]!(database, options)
    report(result, log)
    lines.push(JSON.stringify({ benchmark: result.benchmark, ratios: medians(result.ratios), figures: result.figures }))
  }
  if (values.json) for (const line of lines) console.log(line)
}

function report({ benchmark, ratios, figures = {}, notes }: BenchmarkResult, log: RunOptions['log']): void {
  log(benchmark)
  for (const [key, { q25, median, q75 }] of Object.entries(ratios)) {
    log(`  ${key.padEnd(52)} ${shown(median).padStart(8)}  (${shown(q25)} – ${shown(q75)})`)
  }
  for (const [key, value] of Object.entries(figures)) log(`  ${key.padEnd(52)} ${shown(value).padStart(8)}`)
  for (const note of notes) log(`    ${note}`)
  log('')
}

function medians(ratios: Readonly<Record<string, Quartiles>>): Record<string, number> {
  return Object.fromEntries(Object.entries(ratios).map(([key, { median }]) => [key, Number(shown(median))]))
}

function shown(value: number): string {
  return value.toFixed(value >= 100 ? 0 : 2)
}
