// Migrations over a fleet: 10,000 schemas of one database, and some databases. What is asked: how soon the status and "nothing to do"
// are there, how many places get a column in a second, what memory that takes, and whether a kill -9 in the middle is healed.
// `--schemas N` and `--databases N` are the sizes.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { installPartywall } from '../src/postgres/install.ts'
import { applyMigrations } from '../src/postgres/migrations/apply-migrations.ts'
import { readMigrations } from '../src/postgres/migrations/migration-set.ts'
import { openMigrations } from '../src/postgres/rollout/open-rollout.ts'
import type { BenchDatabase } from './database.ts'
import type { FleetProcess, FleetResult } from './fleet-process.ts'
import { quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const program = fileURLToPath(new URL('./fleet-process.ts', import.meta.url))
const concurrency = 4
/** Of so many schemas the raw rate is taken: one after the other, a commit each. */
const rawSample = 1_000

const first = `create table notes (
  tenant_id uuid not null,
  id uuid not null,
  title text not null,
  constraint notes_pkey primary key (tenant_id, id)
);
select partywall.protect('notes');
`

export async function fleet(database: BenchDatabase, { fleet: sizes, log }: RunOptions): Promise<BenchmarkResult> {
  const stage = await FleetStage.open(database)
  try {
    const databases = await stage.databases(sizes.databases)
    log(`  ${sizes.databases} databases made in ${seconds(databases.madeMs)}`)
    const schemas = await stage.schemas(sizes.schemas)
    log(`  ${sizes.schemas} schemas made in ${seconds(schemas.madeMs)}`)
    const { statusMs, nothingMs } = await stage.ask()
    const rawPerSec = await stage.raw(Math.min(rawSample, sizes.schemas))
    const whole = await stage.migrate('0003-column.sql', 'alter table notes add column whole integer')
    const healed = await stage.killed('0004-column.sql', 'alter table notes add column healed integer', sizes.schemas)
    const perSec = (whole.done * 1_000) / whole.ms
    const figures = {
      'status/1ms': statusMs,
      'nothing-to-do/1ms': nothingMs,
      'schemas/1s': perSec,
      'schemas/raw-serial': perSec / rawPerSec,
      'databases/1s': databases.perSec,
      'rss-max/1MiB': Math.max(whole.rssMaxMib, healed.rssMaxMib),
      'exactly-once/schemas': healed.once / sizes.schemas,
    }
    return {
      benchmark: 'fleet',
      ratios: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, quartiles([value])])),
      notes: [
        `one column in ${whole.done} places in ${seconds(whole.ms)}, ${concurrency} batches at a time; raw, one after the other: ${rawPerSec.toFixed(0)}/s`,
        `kill -9 at ${healed.atKill} of ${sizes.schemas}, resumed and over ${seconds(healed.ms)} later, waiting for the lease of the dead included`,
      ],
    }
  } finally {
    await stage.close()
  }
}

class FleetStage {
  readonly #database: BenchDatabase
  readonly #path: string
  readonly #urls: { readonly catalog: string; readonly admin: string }
  #schemas: ControlPool | undefined

  constructor(database: BenchDatabase, path: string) {
    this.#database = database
    this.#path = path
    this.#urls = { catalog: database.site.urls.gatekeeper, admin: urlOf(database.site.urls.gatekeeper, { login: 'partywall_migrator' }) }
  }

  static async open(database: BenchDatabase): Promise<FleetStage> {
    const stage = new FleetStage(database, await mkdtemp(join(tmpdir(), 'partywall-bench-fleet-')))
    await stage.migrate('0001-notes.sql', first)
    return stage
  }

  /** Databases of tenants' own, as copies of a template. @returns how fast one column was added. */
  async databases(count: number): Promise<{ readonly madeMs: number; readonly perSec: number }> {
    const { superuser } = this.#database
    const startedMs = performance.now()
    await this.#template('bench_template')
    for (let at = 1; at <= count; at += 1) await superuser.query(`create database bench_${at} template bench_template strategy wal_log`)
    await superuser.query(
      `insert into partywall.databases (name, server_name, database_name, holds, login, secret_name, state, version)
       select 'bench_' || g, 'main', 'bench_' || g, 'tenant', 'bench_' || g, 'bench/' || g, 'stock', '0001' from generate_series(1, $1::integer) as g`,
      [count],
    )
    const madeMs = performance.now() - startedMs
    const { done, ms } = await this.migrate('0002-column.sql', 'alter table notes add column body text')
    return { madeMs, perSec: (done * 1_000) / ms }
  }

  /** Tenants with a schema of their own, at 0002, by SQL alone. */
  async schemas(count: number): Promise<{ readonly madeMs: number }> {
    const { superuser, site } = this.#database
    const startedMs = performance.now()
    await superuser.query('create database bench_schemas template bench_template')
    await superuser.query('grant create, temporary on database bench_schemas to partywall_owner')
    await superuser.query(
      `insert into partywall.databases (name, server_name, database_name, holds, state) values ('bench_schemas', 'main', 'bench_schemas', 'schema', 'ready')`,
    )
    await superuser.query(
      `insert into partywall.tenants (slug, name, isolation, database_name, schema_name, version)
       select 'schema-' || g, 'Tenant ' || g, 'schema', 'bench_schemas', 't_' || substr(md5(g::text), 1, 24), '0002' from generate_series(1, $1::integer) as g`,
      [count],
    )
    this.#schemas = new ControlPool({
      connectionString: urlOf(site.superuserUrl, { database: 'bench_schemas' }),
      applicationName: 'bench',
      connectionsMax: 1,
      statementTimeoutMs: 600_000,
    })
    await this.#schemas.query(makeSchemas(count))
    await this.#schemas.query('vacuum analyze')
    await this.#database.superuser.query('vacuum analyze partywall.tenants')
    return { madeMs: performance.now() - startedMs }
  }

  async ask(): Promise<{ readonly statusMs: number; readonly nothingMs: number }> {
    const { rollout, close } = await openMigrations({
      ...this.#urls,
      directory: this.#directory(),
      secrets: { get: async () => undefined },
    })
    try {
      const statusMs = await timed(() => rollout.status())
      const nothingMs = await timed(() => rollout.up({ actor: { kind: 'service', id: 'bench' } }))
      return { statusMs, nothingMs }
    } finally {
      await close()
    }
  }

  /** @returns columns a second, one after the other, each committed. */
  async raw(count: number): Promise<number> {
    const rows = await this.#schemas!.query<{ name: string }>(
      `select nspname as name from pg_namespace where nspname like 't\\_%' order by md5(nspname) limit ${count}`,
    )
    const ms = await timed(async () => {
      for (const { name } of rows) await this.#schemas!.query(`alter table ${name}.notes add column raw integer`)
    })
    return (rows.length * 1_000) / ms
  }

  async migrate(file: string, text: string): Promise<FleetResult> {
    await writeFile(join(this.#path, file), text)
    const result = await this.#process(() => false)
    if (result?.state !== 'done' || result.failed > 0) throw new RangeError(`The fleet was not migrated: ${JSON.stringify(result)}`)
    return result
  }

  /** The same, killed at about half of it, and gone on with. */
  async killed(file: string, text: string, count: number): Promise<FleetResult & { readonly atKill: number; readonly once: number }> {
    await writeFile(join(this.#path, file), text)
    await this.#process((done) => done > count / 3)
    const version = file.slice(0, 4)
    const ledger = async (): Promise<number> => {
      const [row] = await this.#schemas!.query<{ count: number }>(
        `select count(*)::integer as count from partywall.ledger as l where l.version = $1 and l.schema_name like 't\\_%'
            and exists (select from pg_attribute as a where a.attrelid = to_regclass(l.schema_name || '.notes') and a.attname = 'healed')`,
        [version],
      )
      return row?.count ?? 0
    }
    const atKill = await ledger()
    const result = await this.#process(() => false)
    if (result === undefined) throw new RangeError('The fleet was not migrated.')
    return { ...result, atKill, once: await ledger() }
  }

  async close(): Promise<void> {
    await this.#schemas?.close()
    await rm(this.#path, { recursive: true, force: true })
  }

  async #process(isEnough: (done: number) => boolean): Promise<FleetResult | undefined> {
    const task: FleetProcess = { ...this.#urls, directory: this.#directory().href, concurrency }
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    let result: FleetResult | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { readonly kind: string; readonly done: number }
      if (event.kind === 'result') result = event as unknown as FleetResult
      else if (event.kind === 'progress' && isEnough(event.done)) child.kill('SIGKILL')
      else if (event.kind === 'step') console.error(line)
    }
    await ended
    return result
  }

  #directory(): URL {
    return pathToFileURL(`${this.#path}/`)
  }

  async #template(name: string): Promise<void> {
    const { superuser, site } = this.#database
    await superuser.query(`create database ${name}`)
    await installPartywall({ connectionString: urlOf(site.superuserUrl, { database: name }), passwords: {}, catalog: false, harden: false })
    const pool = new ControlPool({
      connectionString: urlOf(this.#urls.admin, { database: name }),
      applicationName: 'bench',
      connectionsMax: 1,
    })
    await applyMigrations(pool, 'app', await readMigrations(this.#directory()))
    await pool.close()
  }
}

/** One transaction for each hundred. */
function makeSchemas(count: number): string {
  return `do $do$
    declare s text;
    begin
      for n in 1 .. ${count} loop
        s := 't_' || substr(md5(n::text), 1, 24);
        execute format('set local role partywall_owner');
        execute format('create schema %I', s);
        execute format('create table %I.notes (tenant_id uuid not null, id uuid not null, title text not null, body text, constraint notes_pkey primary key (tenant_id, id))', s);
        perform partywall.protect((s || '.notes')::regclass);
        insert into partywall.ledger (schema_name, version, file, sha256, duration_ms, applied_by)
        select s, l.version, l.file, l.sha256, 0, 'bench' from partywall.ledger as l where l.schema_name = 'app';
        insert into partywall.ledger (schema_name, version, file, sha256, duration_ms, applied_by)
        values (s, '0002', '0002-column.sql', encode(sha256('alter table notes add column body text'), 'hex'), 0, 'bench');
        if n % 100 = 0 then commit; end if;
      end loop;
    end
  $do$`
}

function urlOf(url: string, { database, login }: { readonly database?: string; readonly login?: string }): string {
  const changed = new URL(url)
  if (database !== undefined) changed.pathname = `/${database}`
  if (login !== undefined) changed.username = login
  return changed.href
}

async function timed(fn: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await fn()
  return performance.now() - startedMs
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
