// The database of a run: a server of its own, durable as in production, 1,000 tenants, and the same rows twice: behind the wall
// (the raw contenders read this very table, with a role that bypasses its policies), and in `rival` behind the usual policy.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlPool } from '../src/postgres/control-pool.ts'
import { startEmbeddedServer } from '../src/postgres/embedded.ts'
import { installPartywall } from '../src/postgres/install.ts'
import type { Site } from './workload.ts'

export interface BenchDatabase extends AsyncDisposable {
  readonly site: Site
  readonly superuser: ControlPool
  readonly version: string
}

export interface DatabaseSize {
  readonly rows: number
  /** Rows of gates and of live capabilities beside those of the tenants at work. */
  readonly gates: number
}

export const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_connections: 200,
}

const tenantCount = 1_000
/** Two have half of the readings each, so that the planner reads the whole table. */
const scannedTenantCount = 2
const password = 'bench'

export async function openDatabase(size: DatabaseSize): Promise<BenchDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-bench-'))
  const server = await startEmbeddedServer({ directory, settings })
  const superuser = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'bench', statementTimeoutMs: 300_000 })
  const close = async (): Promise<void> => {
    await superuser.close()
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await installPartywall({
      connectionString: server.superuserUrl,
      passwords: { app: password, gatekeeper: password, migrator: password },
    })
    const rowsPerTenant = Math.ceil(size.rows / tenantCount)
    await superuser.query(tables)
    await superuser.query(tenants(tenantCount))
    await superuser.query(gates(size.gates))
    await superuser.query(documents(rowsPerTenant))
    await superuser.query(readings(size.rows))
    await superuser.query(rivals)
    await superuser.query('vacuum analyze')
    await superuser.query('checkpoint')
    const ids = await superuser.query<{ id: string }>(`select id from partywall.tenants where slug like 'bench-%' order by slug`)
    const scanned = await superuser.query<{ id: string }>(`select id from partywall.tenants where slug like 'scan-%' order by slug`)
    const login = (name: string): string => {
      const url = new URL(server.superuserUrl)
      url.username = name
      url.password = password
      return url.href
    }
    return {
      superuser,
      version: server.version,
      site: {
        urls: {
          app: login('partywall_app'),
          gatekeeper: login('partywall_gatekeeper'),
          raw: login('bench_raw'),
          rls: login('bench_rls'),
        },
        tenantIds: ids.map((row) => row.id),
        scannedTenantIds: scanned.map((row) => row.id),
        rowsPerTenant,
        connectionsMax: 10,
        superuserUrl: server.superuserUrl,
      },
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const tables = `
  set role partywall_owner;
  create table app.documents (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    title text not null,
    body text not null,
    created_at timestamptz not null default now(),
    constraint documents_pkey primary key (tenant_id, id)
  );
  create index documents_created_at_idx on app.documents (tenant_id, created_at desc);
  select partywall.protect('app.documents');
  create table app.readings (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    note text not null,
    constraint readings_pkey primary key (tenant_id, id)
  );
  select partywall.protect('app.readings');
  set search_path = app;
  select partywall.create_audit_log();
  reset search_path;
  reset role;
`

const tenants = (count: number): string => `
  insert into partywall.tenants (slug, name)
  select 'bench-' || lpad(g::text, 4, '0'), 'Tenant ' || g from generate_series(0, ${count - 1}) as g;
  insert into partywall.tenants (slug, name)
  select 'scan-' || g, 'Scanned ' || g from generate_series(1, ${scannedTenantCount}) as g;
  insert into partywall.gates (tenant_id) select id from partywall.tenants on conflict do nothing;
`

const gates = (count: number): string => `
  insert into partywall.gates (tenant_id) select gen_random_uuid() from generate_series(1, ${count});
  insert into partywall.capabilities (capability, tenant_id, state, expires_at)
  select gen_random_uuid(), g.tenant_id, 'open', now() + interval '1 hour'
    from partywall.gates as g
   where not exists (select from partywall.tenants as t where t.id = g.tenant_id);
`

const documents = (rowsPerTenant: number): string => `
  insert into app.documents (tenant_id, id, title, body, created_at)
  select t.id,
         ('00000000-0000-7000-8' || lpad(to_hex(t.number), 3, '0') || '-' || lpad(to_hex(r), 12, '0'))::uuid,
         'Document ' || r,
         repeat(md5(r::text), 4),
         now() - r * interval '1 minute'
    from generate_series(0, ${rowsPerTenant - 1}) as r
    cross join (select id, (row_number() over (order by slug) - 1)::int as number from partywall.tenants where slug like 'bench-%') as t;
`

const readings = (rows: number): string => `
  insert into app.readings (tenant_id, note)
  select t.id, 'reading ' || g
    from generate_series(1, ${Math.ceil(rows / scannedTenantCount)}) as g
    cross join (select id from partywall.tenants where slug like 'scan-%') as t;
`

/** Raw: the same table, past its policies. The usual way: the same rows, a plain setting, a policy that reads it once. */
const rivals = `
  do $do$ begin
    execute format('grant connect on database %I to public', current_database());
  end $do$;
  create role bench_raw login bypassrls password '${password}';
  grant usage on schema app to bench_raw;
  grant select, insert, update, delete on app.documents, app.readings to bench_raw;
  alter role bench_raw set search_path = app;
  create role bench_rls login password '${password}';
  create schema rival;
  create table rival.documents (like app.documents including all);
  alter table rival.documents alter column tenant_id drop default;
  insert into rival.documents select * from app.documents;
  alter table rival.documents enable row level security, force row level security;
  create policy tenant on rival.documents for all to public
    using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))
    with check (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
  grant usage on schema rival to bench_rls;
  grant select, insert, update, delete on rival.documents to bench_rls;
  alter role bench_rls set search_path = rival;
`
