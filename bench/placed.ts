// The same work where tenants have tables, or a database, of their own. Raw reads the very same tables, past their policies.

import pg from 'pg'
import { databaseNameOf, schemaNameOf } from '../src/core/placement.ts'
import { parseTenantId } from '../src/core/tenant.ts'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { installPartywall } from '../src/postgres/install.ts'
import { roleLimits } from '../src/postgres/roles.ts'
import type { BenchDatabase } from './database.ts'
import { type BenchmarkResult, compare, type RunOptions } from './rounds.ts'
import type { WorkloadName } from './workload.ts'

type Kind = 'schema' | 'database'

const workloads: readonly WorkloadName[] = ['point-read', 'insert', 'list', 'transaction']
/** As many schemas as a pool's connections know all of; and more than they can keep prepared statements and catalogs warm for. */
const fewSchemas = 20
const manySchemas = 200
const password = 'bench'

/** Few schemas do everything; with many, reading one row shows what their catalogs and plans cost. */
export async function schemaPlacement(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const few = await run({ kind: 'schema', tenants: fewSchemas, workloads }, database, options)
  const many = await run({ kind: 'schema', tenants: manySchemas, workloads: ['point-read'] }, database, options)
  return { benchmark: 'schema placement', ratios: { ...few.ratios, ...many.ratios }, notes: [...few.notes, ...many.notes] }
}

export function databasePlacement(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  return run({ kind: 'database', tenants: 1, workloads }, database, options)
}

interface PlacedRun {
  readonly kind: Kind
  readonly tenants: number
  readonly workloads: readonly WorkloadName[]
}

async function run(placedRun: PlacedRun, database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const { kind, tenants, workloads: chosen } = placedRun
  await using placed = await place(kind, tenants, database)
  const ratios: Record<string, BenchmarkResult['ratios'][string]> = {}
  const notes: string[] = []
  for (const workload of chosen) {
    const result = await compare(
      { benchmark: kind, workload, subject: 'partywall', rivals: ['pg-named'], measure: 'rate' },
      placed,
      options,
    )
    const name = kind === 'schema' ? `${workload} of ${tenants} schemas` : workload
    for (const [key, value] of Object.entries(result.ratios)) ratios[`${name} ${key}`] = value
    notes.push(...result.notes.map((note) => `${name}: ${note}`))
  }
  return { benchmark: `${kind} placement`, ratios, notes }
}

/** Some of the run's tenants, placed anew, with as many rows as they had. */
async function place(kind: Kind, tenants: number, main: BenchDatabase): Promise<BenchDatabase> {
  const ids = main.site.tenantIds.slice(0, tenants).map(parseTenantId)
  const name = kind === 'schema' ? 'bench_schemas' : databaseNameOf(ids[0]!)
  const { superuser } = main
  const url = at(main.site.superuserUrl, name)
  await superuser.query(`create database ${name}`)
  await installPartywall({ connectionString: url, passwords: {}, catalog: false })
  await superuser.query(`grant connect on database ${name} to bench_raw`)
  const there = new ControlPool({ connectionString: url, applicationName: 'bench', statementTimeoutMs: 300_000, connectionsMax: 1 })
  const secrets: Record<string, string> = {}
  const schemas: string[] = []
  try {
    if (kind === 'schema') {
      await superuser.query(
        `insert into partywall.databases (name, server_name, database_name, holds, state) values ($1, 'main', $1, 'schema', 'ready')`,
        [name],
      )
    } else {
      await superuser.query(
        `create role ${name} login password '${password}' in role partywall_tenants; grant connect on database ${name} to ${name}`,
      )
      await superuser.query(roleLimits(name))
      secrets['own'] = password
      await superuser.query(
        `insert into partywall.databases (name, server_name, database_name, holds, tenant_id, login, secret_name, state)
         values ($1, 'main', $1, 'tenant', $2, $1, 'own', 'ready')`,
        [name, ids[0]],
      )
    }
    for (const [number, id] of ids.entries()) {
      const schema = kind === 'schema' ? schemaNameOf(id) : 'app'
      schemas.push(schema)
      await there.query(`select partywall.set_gate($1, 'open')`, [id])
      if (kind === 'schema') {
        await there.query(`create schema ${schema} authorization partywall_owner`)
        await there.query(`select partywall.set_gate_schema($1, $2)`, [id, schema])
      } else await there.query('insert into partywall.logins (login, tenant_id) values ($1, $2)', [name, id])
      await there.query(`grant usage on schema ${schema} to partywall_app, partywall_tenants, bench_raw`)
      await there.query(tables(schema))
      await there.query(rows(schema, id, number, main.site.rowsPerTenant))
      await superuser.query(`update partywall.tenants set isolation = $2, database_name = $3, schema_name = $4 where id = $1`, [
        id,
        kind,
        name,
        schema,
      ])
    }
    await there.query('vacuum analyze')
    await there.query('checkpoint')
  } finally {
    await there.close()
  }
  return {
    ...main,
    site: { ...main.site, urls: { ...main.site.urls, raw: at(main.site.urls.raw, name) }, tenantIds: ids, schemas, secrets },
    [Symbol.asyncDispose]: async () => {
      for (const id of ids) {
        await superuser.query(
          `update partywall.tenants set isolation = 'pooled', database_name = 'main', schema_name = 'app' where id = $1`,
          [id],
        )
      }
      await superuser.query('delete from partywall.databases where name = $1', [name])
      await superuser.query(`drop database ${name} with (force)`)
      if (kind === 'database') await superuser.query(`drop role ${name}`)
    },
  }
}

const tables = (schema: string): string => `
  set role partywall_owner;
  set search_path = ${schema}, pg_temp;
  create table documents (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    title text not null,
    body text not null,
    created_at timestamptz not null default now(),
    constraint documents_pkey primary key (tenant_id, id)
  );
  create index documents_created_at_idx on documents (tenant_id, created_at desc);
  select partywall.protect('documents');
  grant select, insert, update, delete on documents to bench_raw;
  reset role;
  reset search_path;
`

const rows = (schema: string, id: string, number: number, count: number): string => `
  insert into ${schema}.documents (tenant_id, id, title, body, created_at)
  select ${pg.escapeLiteral(id)}::uuid,
         ('00000000-0000-7000-8${number.toString(16).padStart(3, '0')}-' || lpad(to_hex(r), 12, '0'))::uuid,
         'Document ' || r, repeat(md5(r::text), 4), now() - r * interval '1 minute'
    from generate_series(0, ${count - 1}) as r;
`

function at(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}
