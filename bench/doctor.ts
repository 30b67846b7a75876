// The doctor over a database of 1,000 tables, and over 1,000 schemas of one database (`--tenants N`): how long it takes, and in what memory.
// Bounds: 5 s; 60 s and 200 MiB.

import { execFile } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type BenchFleet, openBenchFleet, schemaDatabase } from './bench-fleet.ts'
import type { BenchDatabase } from './database.ts'
import type { DoctorProcess, DoctorResult } from './doctor-process.ts'
import { quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const program = fileURLToPath(new URL('./doctor-process.ts', import.meta.url))
const tables = 1_000
const tablesAtOnce = 100
const roundsMax = 5

export async function doctor(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const schemas = options.tenants ?? 1_000
  const rounds = Math.min(options.rounds, roundsMax)
  await using bench = await openBenchFleet()
  await makeTables(bench)
  options.log(`  ${tables} tables made`)
  const wide = await repeated(rounds, () => run(bench, 'main'))
  await bench.fleet.placements.stock.fill({ isolation: 'schema', region: 'default', count: schemas })
  options.log(`  ${schemas} schemas made`)
  const many = await repeated(rounds, () => run(bench, schemaDatabase))
  const whole = await repeated(rounds, () => run(bench, undefined))
  const times = (results: readonly DoctorResult[]) => quartiles(results.map(({ ms }) => ms / 1_000))
  const [first] = whole
  const failed = [...wide, ...many, ...whole].flatMap((result) => result.failed)
  return {
    benchmark: 'doctor',
    ratios: {
      [`${tables} tables/1s`]: times(wide),
      [`${schemas} schemas/1s`]: times(many),
      'whole fleet/1s': times(whole),
      'rss-max/1MiB': quartiles([...wide, ...many, ...whole].map(({ rssMaxMib }) => rssMaxMib)),
    },
    notes: [
      `${first?.checks} checks, ${first?.databases} databases: ${first?.verdict}`,
      ...new Set(failed.map((problem) => `not made: ${problem}`)),
    ],
  }
}

/** As an application has them: five columns, a key that begins with the tenant, an index, a reference to the one before. */
async function makeTables({ fleet }: BenchFleet): Promise<void> {
  for (let from = 1; from <= tables; from += tablesAtOnce) {
    const made = Array.from({ length: Math.min(tablesAtOnce, tables - from + 1) }, (_, at) => tableText(from + at))
    await fleet.connections.asMigrator('main', (control) => control.query(made.join('\n')))
  }
}

function tableText(n: number): string {
  const before =
    n % 10 === 1
      ? ''
      : `, constraint bench_${n}_before_fkey foreign key (tenant_id, before_id) references app.bench_${n - 1} (tenant_id, id)`
  return `
    create table app.bench_${n} (
      tenant_id uuid not null, id uuid not null, before_id uuid, title text not null, at timestamptz not null default now(),
      constraint bench_${n}_pkey primary key (tenant_id, id)${before}
    );
    create index bench_${n}_before_id_idx on app.bench_${n} (tenant_id, before_id);
    select partywall.protect('app.bench_${n}');`
}

async function repeated<T>(times: number, fn: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = []
  for (let n = 0; n < times; n += 1) results.push(await fn())
  return results
}

async function run({ database: { site }, migrator }: BenchFleet, database: string | undefined): Promise<DoctorResult> {
  const request: DoctorProcess = { catalog: site.urls.gatekeeper, admin: migrator, superuser: site.superuserUrl, database }
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(request)], { maxBuffer: 2 ** 24 })
  return JSON.parse(stdout) as DoctorResult
}
