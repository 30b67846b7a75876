// A tenant with many rows moves to a database on another server while it writes, and others read: how long its writes pause, what the
// others notice, and how quick the copy is. Then its backup and its restore.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import type { Isolation } from '../src/core/placement.ts'
import type { Tenant } from '../src/core/tenant.ts'
import { TenancyError } from '../src/errors.ts'
import { type Fleet, type FleetOptions, openFleet } from '../src/fleet.ts'
import { directoryStore } from '../src/objects/directory-store.ts'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { startEmbeddedServer } from '../src/postgres/embedded.ts'
import { installPartywall } from '../src/postgres/install.ts'
import { createTenancy, type Tenancy } from '../src/tenancy.ts'
import { type BenchDatabase, settings } from './database.ts'
import { openLoop } from './open-loop.ts'
import { type Quartiles, quantile, quartiles, seeded } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const password = 'bench'
const writesPerSecond = 200
const readsPerSecond = 200
const neighbours = 50
const rowsOfNeighbour = 200
const switches = 20
const kills = 8

export async function move(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const rows = options.moveRows ?? 100_000
  await using site = await openSite()
  const { fleet, tenancy, log } = { ...site, log: options.log }
  for (let n = 0; n < neighbours; n++) await site.tenant(`neighbour-${n}`, rowsOfNeighbour)
  await site.tenant('acme', rows)
  const figures: Record<string, number> = {}
  const ratios: Record<string, Quartiles> = {}

  // The copy at its full speed, to another server and on one.
  for (const [name, to, server] of [
    ['across servers', 'server', undefined],
    ['on one server', 'database', 'main'],
  ] as const) {
    figures[`rows copied/s ${name}`] = await copyRate(site, { to, server, rows, throttleRatio: 0 })
    log(`move: ${name}: ${figures[`rows copied/s ${name}`]!.toFixed(0)} rows/s`)
  }

  // The same, held back for the neighbours, who are measured before and during.
  const before = await neighboursRead(tenancy, { durationMs: 5_000, until: undefined })
  for (const [name, throttleRatio] of [
    ['held back', 1.25],
    ['at full speed', 0],
  ] as const) {
    const done = new AbortController()
    const during = neighboursRead(tenancy, { durationMs: 600_000, until: done.signal })
    await copyRate(site, { to: 'server', server: undefined, rows, throttleRatio })
    done.abort()
    const latencies = await during
    ratios[`neighbours' p99 ${name}/before`] = quartiles([quantile(latencies, 0.99) / quantile(before, 0.99)])
    ratios[`neighbours' p50 ${name}/before`] = quartiles([quantile(latencies, 0.5) / quantile(before, 0.5)])
    log(`move: neighbours ${name}: p99 ${quantile(before, 0.99).toFixed(1)} -> ${quantile(latencies, 0.99).toFixed(1)} ms`)
  }

  // The pause.
  await fleet.moves.start('acme', { to: 'server' }, { reason: 'bench' })
  await fleet.moves.verify('acme')
  const writer = new Writer(tenancy)
  await writer.goOn(2_000)
  const alone = writer.take()
  const pauses: number[] = []
  const seen: number[] = []
  for (let n = 0; n < switches; n++) {
    const { pauseMs } = await fleet.moves[n % 2 === 0 ? 'switch' : 'reverse']('acme')
    await writer.goOn(300)
    pauses.push(pauseMs!)
    seen.push(Math.max(...writer.take()))
  }
  figures['pause ms p50'] = quantile(pauses, 0.5)
  figures['pause ms max'] = Math.max(...pauses)
  figures['slowest write ms, p50 of switches'] = quantile(seen, 0.5)
  figures['slowest write ms, max of switches'] = Math.max(...seen)
  figures['slowest write ms without a switch'] = Math.max(...alone)
  log(`move: pause p50 ${figures['pause ms p50']!.toFixed(1)} max ${figures['pause ms max']!.toFixed(1)} ms`)

  // The mover is killed inside the fence; this process stands by.
  const standby = new AbortController()
  const keeping = fleet.moves.keep({ signal: standby.signal })
  const gaps: number[] = []
  for (let n = 0; n < kills; n++) {
    writer.take()
    const { move: now } = await fleet.moves.status('acme')
    const verb = now.serving === 'source' ? 'switch' : 'reverse'
    if (!(await killInFence(site, verb))) continue
    await settled(fleet)
    await writer.goOn(300)
    gaps.push(Math.max(...writer.take()))
  }
  standby.abort()
  await keeping
  figures['slowest write ms with the mover killed in the fence, max'] = Math.max(...gaps)
  await writer.stop()
  if ((await fleet.moves.status('acme')).move.serving === 'target') await fleet.moves.reverse('acme')
  await fleet.moves.cancel('acme')

  // The price of being fenced, and that of a backup.
  ratios['write while moving/open'] = await fencedWrites(site)
  const startedMs = performance.now()
  const backup = await fleet.backups.create('acme')
  figures['rows backed up/s'] = rate(rows, startedMs)
  const restoringMs = performance.now()
  await fleet.backups.restore(backup.id, { as: 'acme-again' })
  figures['rows restored/s'] = rate(rows, restoringMs)
  figures['memory of this process, MiB'] = process.memoryUsage.rss() / 2 ** 20
  return {
    benchmark: 'move',
    ratios,
    figures,
    notes: [
      `${rows} rows, ${writesPerSecond} writes/s, ${switches} switches, ${gaps.length} of ${kills} kills inside the fence, ${writer.failed} writes failed`,
    ],
  }
}

interface MoveSite extends AsyncDisposable {
  readonly fleet: Fleet
  readonly tenancy: Tenancy
  readonly options: Pick<FleetOptions, 'catalog' | 'admin'>
  readonly superuser: ControlPool
  readonly secretValues: Readonly<Record<string, string>>
  tenant(slug: string, rows: number): Promise<Tenant>
}

async function openSite(): Promise<MoveSite> {
  await using opened = new AsyncDisposableStack()
  const servers = []
  for (const name of ['main', 'shelf']) {
    const directory = await mkdtemp(join(tmpdir(), `partywall-bench-${name}-`))
    const server = await startEmbeddedServer({ directory, settings })
    opened.defer(async () => {
      await server.stop()
      await rm(server.dataDirectory, { recursive: true, force: true })
      await rm(directory, { recursive: true, force: true })
    })
    servers.push(server)
  }
  const [main, shelf] = servers as [(typeof servers)[0], (typeof servers)[0]]
  await installPartywall({
    connectionString: main.superuserUrl,
    passwords: { app: password, gatekeeper: password, migrator: password },
  })
  const url = (login: string): string => {
    const changed = new URL(main.superuserUrl)
    ;[changed.username, changed.password] = [`partywall_${login}`, password]
    return changed.href
  }
  const secrets = memorySecrets()
  await secrets.put('server/main/admin', main.superuserUrl)
  const backups = await mkdtemp(join(tmpdir(), 'partywall-bench-backups-'))
  opened.defer(() => rm(backups, { recursive: true, force: true }))
  const options = { catalog: url('gatekeeper'), admin: url('migrator') }
  const migrations = new URL('../examples/documents/migrations/', import.meta.url)
  const fleet = await openFleet({ ...options, secrets, migrations, backups: { store: directoryStore(backups) } })
  opened.defer(() => fleet.close())
  await fleet.migrateMain()
  await fleet.servers.add({ name: 'shelf', region: 'default', adminUrl: shelf.superuserUrl, labels: { dedicated: true }, tenantsMax: 1 })
  const tenancy = await createTenancy({ ...options, database: url('app'), secrets, pool: { connectionsMax: 20 } })
  opened.defer(() => tenancy.close())
  const superuser = new ControlPool({ connectionString: main.superuserUrl, applicationName: 'bench', statementTimeoutMs: 600_000 })
  opened.defer(() => superuser.close())
  const secretValues: Record<string, string> = {}
  for (const name of await secrets.list('')) secretValues[name] = (await secrets.get(name))!
  const kept = opened.move()
  return {
    fleet,
    tenancy,
    options,
    superuser,
    secretValues,
    tenant: async (slug, rows) => {
      await fleet.tenants.onboard({ slug, name: slug, plan: 'free', isolation: 'pooled' })
      const tenant = (await fleet.catalog.find({ kind: 'slug', slug: slug as Tenant['slug'] }))!
      await superuser.query(
        `insert into app.documents (tenant_id, title)
         select $1, 'Document ' || g || ' ' || repeat(md5(g::text), 4) from generate_series(1, $2::int) as g`,
        [tenant.id, rows],
      )
      await superuser.query('vacuum analyze app.documents')
      return tenant
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Rows a second, from the first row to the last. The move is taken back. */
async function copyRate(
  { fleet }: MoveSite,
  { rows, ...request }: { to: Isolation; server: string | undefined; rows: number; throttleRatio: number },
): Promise<number> {
  let [from, to] = [0, 0]
  await fleet.moves.start('acme', request, {
    reason: 'bench',
    onProgress: (event) => {
      if (event.kind === 'state' && event.state === 'copying') from = performance.now()
      if (event.kind === 'state' && event.state === 'following') to = performance.now()
    },
  })
  await fleet.moves.cancel('acme')
  return (rows * 1_000) / (to - from)
}

async function neighboursRead(
  tenancy: Tenancy,
  { durationMs, until }: { readonly durationMs: number; readonly until: AbortSignal | undefined },
): Promise<readonly number[]> {
  const random = seeded(7)
  return await openLoop({ perSecond: readsPerSecond, durationMs, seed: 3, until }, async () => {
    const slug = `neighbour-${Math.floor(random() * neighbours)}`
    await tenancy.run(slug, () => tenancy.query('select id, title from documents order by created_at desc limit 20'))
  })
}

/** Writes at its rate, whatever happens, and remembers how long each took. */
class Writer {
  readonly #stop = new AbortController()
  readonly #writing: Promise<unknown>
  #latencies: number[] = []
  failed = 0

  constructor(tenancy: Tenancy) {
    this.#writing = openLoop({ perSecond: writesPerSecond, durationMs: 3_600_000, seed: 5, until: this.#stop.signal }, async () => {
      const begun = performance.now()
      try {
        await tenancy.run('acme', () => tenancy.query(`insert into documents (title) values ('written')`))
      } catch (error) {
        if (!(error instanceof TenancyError)) throw error
        this.failed += 1
      }
      this.#latencies.push(performance.now() - begun)
    })
  }

  async goOn(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms))
  }

  take(): readonly number[] {
    const taken = this.#latencies
    this.#latencies = []
    return taken
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#writing
  }
}

/** @returns whether it was killed there, and not before or after. */
async function killInFence({ fleet, options, secretValues, superuser }: MoveSite, verb: 'switch' | 'reverse'): Promise<boolean> {
  await fleet.moves.verify('acme')
  const child = fork(new URL('move-process.ts', import.meta.url), [JSON.stringify({ ...options, secretValues, verb })], {
    stdio: 'inherit',
  })
  const exited = once(child, 'exit')
  const state = async (): Promise<string> => {
    const [row] = await superuser.query<{ state: string }>('select m.state from partywall.moves as m order by m.id desc limit 1')
    return row!.state
  }
  while (child.exitCode === null) {
    if ((await state()) !== 'fencing') continue
    child.kill('SIGKILL')
    await exited
    return true
  }
  return false
}

async function settled(fleet: Fleet): Promise<void> {
  for (;;) {
    const { move: now } = await fleet.moves.status('acme')
    if (now.state === 'following' && now.wish === undefined) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** One statement each, committed and on disk, by one client: with the gate `moving` and with it open, in turns. */
async function fencedWrites({ fleet, tenancy, superuser }: MoveSite): Promise<Quartiles> {
  const { id } = (await fleet.catalog.find({ kind: 'slug', slug: 'acme' as Tenant['slug'] }))!
  const windows: Record<string, number[]> = { moving: [], open: [] }
  for (let round = 0; round < 21; round++) {
    for (const gate of round % 2 === 0 ? ['moving', 'open'] : ['open', 'moving']) {
      await superuser.query('select partywall.set_gate($1, $2)', [id, gate])
      const until = performance.now() + 300
      let count = 0
      while (performance.now() < until) {
        await tenancy.run('acme', () => tenancy.query(`insert into documents (title) values ('written')`))
        count += 1
      }
      windows[gate]!.push(count)
    }
  }
  await superuser.query('select partywall.set_gate($1, $2)', [id, 'open'])
  return quartiles(windows['moving']!.map((count, round) => count / windows['open']![round]!))
}

function rate(rows: number, sinceMs: number): number {
  return (rows * 1_000) / (performance.now() - sinceMs)
}
