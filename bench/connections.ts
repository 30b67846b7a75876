// Many tenants with databases of their own over few connections. They are touched in an open loop: most are misses, which have to
// close somebody's connection and open one; some were touched a moment ago. Beside them one tenant is busy, and alone before.

import { databaseNameOf } from '../src/core/placement.ts'
import { parseTenantId } from '../src/core/tenant.ts'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { databaseUrl } from '../src/postgres/database.ts'
import { roleLimits, scramVerifier } from '../src/postgres/roles.ts'
import { createTenancy, type Tenancy } from '../src/tenancy.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import type { BenchDatabase } from './database.ts'
import { openLoop } from './open-loop.ts'
import { type Quartiles, quantile, quartiles, seeded } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const budget = 50
const missRates = [40, 100]
const hitRate = 40
const hotRate = 100
const phaseMs = 5_000
const roundsMax = 3
const tenantsMin = 3 * budget
const password = 'bench'
const rowsPerTenant = 100

interface Latencies {
  readonly misses: number[]
  readonly hits: number[]
  readonly hot: number[]
}

export async function connections(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const count = options.tenants ?? 200
  if (count < tenantsMin) throw new RangeError(`--tenants is ${count}; misses over ${budget} connections need at least ${tenantsMin}.`)
  await using bench = await openBenchFleet()
  const ids = await makeTenants(bench, count + 1)
  const tenancy = await createTenancy({
    catalog: bench.database.site.urls.gatekeeper,
    database: bench.database.site.urls.app,
    applicationName: 'bench connections',
    secrets: bench.secrets,
    pool: { totalConnectionsMax: budget },
  })
  try {
    const touches = new Touches(tenancy, ids.slice(1), ids[0]!)
    // Every database once, so that its catalogs are in memory as they are in a server that has run for an hour.
    await openLoop({ perSecond: 50, durationMs: count * 20, seed: 1 }, () => touches.miss())
    const found: Latencies = { misses: [], hits: [], hot: [] }
    const ratios: Record<string, Quartiles> = {}
    const figures: Record<string, number> = {}
    const notes: string[] = []
    const perRound = new Map<number, number[]>(missRates.map((rate) => [rate, []]))
    const perRate = new Map<number, Latencies>(missRates.map((rate) => [rate, { misses: [], hits: [], hot: [] }]))
    for (let round = 0; round < Math.min(options.rounds, roundsMax); round++) {
      const alone = await openLoop({ perSecond: hotRate, durationMs: phaseMs, seed: round }, () => touches.hot())
      found.hot.push(...alone)
      for (const rate of missRates) {
        const before = await sessionsOf(bench)
        const [misses, hits, hot] = await Promise.all([
          openLoop({ perSecond: rate, durationMs: phaseMs, seed: round + rate }, () => touches.miss()),
          openLoop({ perSecond: hitRate, durationMs: phaseMs, seed: round + rate + 1 }, () => touches.hit()),
          openLoop({ perSecond: hotRate, durationMs: phaseMs, seed: round + rate + 2 }, () => touches.hot()),
        ])
        const opened = (await sessionsOf(bench)) - before
        if (opened < misses.length * 0.9) throw new RangeError(`${misses.length} misses opened no more than ${opened} sessions.`)
        perRound.get(rate)!.push(quantile(hot, 0.99) / quantile(alone, 0.99))
        const of = perRate.get(rate)!
        of.misses.push(...misses)
        of.hits.push(...hits)
        of.hot.push(...hot)
      }
    }
    figures['hot alone p50 ms'] = quantile(found.hot, 0.5)
    figures['hot alone p99 ms'] = quantile(found.hot, 0.99)
    for (const rate of missRates) {
      ratios[`hot-p99-beside/alone@${rate}`] = quartiles(perRound.get(rate)!)
      for (const [name, latencies] of Object.entries(perRate.get(rate)!)) {
        figures[`${name} p50 ms @${rate}`] = quantile(latencies, 0.5)
        figures[`${name} p99 ms @${rate}`] = quantile(latencies, 0.99)
      }
      notes.push(`${perRate.get(rate)!.misses.length} misses at ${rate}/s, no error`)
    }
    notes.push(`${count} databases, ${budget} connections, hits ${hitRate}/s, hot tenant ${hotRate}/s`)
    return { benchmark: 'connections', ratios, figures, notes }
  } finally {
    await tenancy.close()
  }
}

/** Point reads of one tenant or another. An error of any of them ends the run. */
class Touches {
  readonly #tenancy: Tenancy
  readonly #hot: string
  readonly #random = seeded(50)
  /** Those touched longest ago first. */
  readonly #order: string[]

  constructor(tenancy: Tenancy, ids: readonly string[], hot: string) {
    this.#tenancy = tenancy
    this.#order = [...ids]
    this.#hot = hot
  }

  /** One that others have pushed out since: more tenants than there are connections were touched after it. */
  async miss(): Promise<void> {
    const cold = this.#order.length - 2 * budget
    const [id] = this.#order.splice(Math.floor(this.#random() * cold), 1)
    this.#order.push(id!)
    await this.#read(id!)
  }

  /** One that was touched a moment ago, but not so lately that its first touch may still be under way. */
  async hit(): Promise<void> {
    const [id] = this.#order.splice(-10 - Math.floor(this.#random() * 10), 1)
    this.#order.push(id!)
    await this.#read(id!)
  }

  async hot(): Promise<void> {
    await this.#read(this.#hot)
  }

  async #read(id: string): Promise<void> {
    const row = Math.floor(this.#random() * rowsPerTenant)
    const title = await this.#tenancy.run(
      id,
      async () =>
        (await this.#tenancy.query<{ title: string }>('select title from documents where id = $1', [documentId(row)])).rows[0]?.title,
    )
    if (title !== `Document ${row} of ${id}`) throw new RangeError(`${id} was answered ${JSON.stringify(title)}.`)
  }
}

function documentId(row: number): string {
  return `00000000-0000-7000-8000-${row.toString(16).padStart(12, '0')}`
}

/** Sessions that were ever opened in tenants' own databases. */
async function sessionsOf({ database }: BenchFleet): Promise<number> {
  const [row] = await database.superuser.query<{ sessions: string }>(
    `select sum(s.sessions) as sessions from pg_catalog.pg_stat_database as s where s.datname ^@ 'pw_'`,
  )
  return Number(row?.sessions)
}

/** Copies of the fleet's own template, each with its login and some rows: as onboarding leaves them, without the wait for it. */
export async function makeTenants({ fleet, database, secrets }: BenchFleet, count: number): Promise<readonly string[]> {
  const { superuser } = database
  const template = await fleet.placements.templates.name()
  const rows = await superuser.query<{ id: string }>('select partywall.uuidv7()::text as id from generate_series(1, $1)', [count])
  const ids = rows.map(({ id }) => parseTenantId(id))
  const verifier = scramVerifier(password)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < ids.length) {
      const id = ids[next++]!
      const name = databaseNameOf(id)
      await superuser.query(`create role ${name} login password '${verifier}' in role partywall_tenants; ${roleLimits(name)}`)
      await superuser.query(`create database ${name} template ${template} strategy wal_log`)
      await superuser.query(`revoke all on database ${name} from public; grant connect on database ${name} to ${name}`)
      const there = new ControlPool({
        connectionString: databaseUrl(database.site.superuserUrl, { database: name }),
        applicationName: 'bench',
        connectionsMax: 1,
      })
      try {
        await there.query(
          `with own as (insert into partywall.logins (login, tenant_id) values ($2, $1)), gate as (select partywall.set_gate($1, 'open'))
           insert into app.documents (tenant_id, id, title)
           select $1::uuid, ('00000000-0000-7000-8000-' || lpad(to_hex(r), 12, '0'))::uuid, 'Document ' || r || ' of ' || $1::text
             from gate cross join generate_series(0, $3 - 1) as r`,
          [id, name, rowsPerTenant],
        )
      } finally {
        await there.close()
      }
      await secrets.put(`tenant/${id}/login`, password)
    }
  }
  await Promise.all([work(), work()])
  const names = ids.map(databaseNameOf)
  await superuser.query(
    `insert into partywall.databases (name, server_name, database_name, holds, tenant_id, login, secret_name, version, state)
     select d.name, 'main', d.name, 'tenant', d.id, d.name, 'tenant/' || d.id || '/login', $3, 'ready'
       from unnest($1::uuid[], $2::text[]) as d (id, name)`,
    [ids, names, fleet.migrations.newest],
  )
  await superuser.query(
    `insert into partywall.tenants (id, slug, name, isolation, database_name, version)
     select d.id, 'own-' || d.id, 'Own', 'database', d.name, $3 from unnest($1::uuid[], $2::text[]) as d (id, name)`,
    [ids, names, fleet.migrations.newest],
  )
  await superuser.query('checkpoint')
  return ids
}
