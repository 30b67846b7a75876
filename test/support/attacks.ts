// What eve tries, whoever she pretends to be. Each is one or more statements; `code` is what must stop her when nothing else
// did before. Attacks without a code may run: they must show and change nothing of carol's.

import { attacksByName } from './attacks-by-name.ts'
import { isolation } from './isolation.ts'

export interface Attack {
  readonly name: string
  readonly statements: readonly string[]
  /** SQLSTATE for eve with bob's capability and full SQL. */
  readonly code?: string
}

const fake = '00000000-0000-4000-8000-000000000000'

/** @param carol carol's tenant id: no secret, and worth nothing. */
export function attacks(carol: string): readonly Attack[] {
  return [...forgeries(carol), ...reads(), ...writes(carol), ...powers(), ...controlPlane(carol), ...objects(), ...attacksByName(carol)]
}

function forgeries(carol: string): readonly Attack[] {
  const seen = 'select tenant_id, title, body from notes'
  return [
    {
      name: 'a tenant id in place of the capability, in a CTE',
      statements: [
        `with x as materialized (select set_config('partywall.capability', '${carol}', true) as v) select n.* from x, lateral (select * from notes where x.v is not null) as n`,
        seen,
      ],
      code: 'PW002',
    },
    {
      name: 'a tenant id in a WHERE',
      statements: [`${seen} where title = 'x' or set_config('partywall.capability', '${carol}', true) = '${carol}'`],
    },
    {
      name: 'a tenant id in a UNION',
      statements: [`select set_config('partywall.capability', '${carol}', true), null, null union all select title, body, null from notes`],
    },
    { name: 'a made-up capability', statements: [`select set_config('partywall.capability', '${fake}', true)`, seen], code: 'PW002' },
    { name: 'no capability at all', statements: [`select set_config('partywall.capability', '', true)`, seen], code: 'PW001' },
    { name: 'a capability reset', statements: ['reset partywall.capability', seen], code: 'PW001' },
    { name: 'garbage', statements: [`select set_config('partywall.capability', 'x'' or true --', true)`, seen], code: '22P02' },
    { name: 'SET LOCAL', statements: [`set local partywall.capability = '${carol}'`, seen], code: 'PW002' },
    {
      name: 'a code block',
      statements: [`do $$ begin perform set_config('partywall.capability', '${carol}', true); end $$`, seen],
      code: 'PW002',
    },
    {
      name: 'query_to_xml',
      statements: [`select query_to_xml('select set_config(''partywall.capability'', ''${carol}'', true)', true, false, '')`],
      code: '42501',
    },
    {
      name: 'ts_stat',
      statements: [`select * from ts_stat($$select to_tsvector(set_config('partywall.capability', '${carol}', true))$$)`],
      code: '42501',
    },
    { name: 'bind() with a tenant id', statements: [`select partywall.bind('${carol}')`, seen], code: 'PW007' },
    { name: 'the old name of such settings', statements: [`select set_config('app.tenant_id', '${carol}', true)`, seen] },
  ]
}

function reads(): readonly Attack[] {
  return [
    { name: 'a WHERE that is always true', statements: [`select * from notes where title = '' or true`] },
    { name: 'TABLE', statements: ['table notes', 'table folders'] },
    { name: 'ONLY', statements: ['select * from only notes'] },
    {
      name: 'a self-join across tenants',
      statements: ['select a.title, b.title from notes as a full join notes as b on a.tenant_id <> b.tenant_id'],
    },
    {
      name: 'a lateral and a window',
      statements: ['select count(*) over (), n.* from notes as n, lateral (select * from notes as m where m.number = n.number) as m'],
    },
    {
      name: 'recursion',
      statements: [
        'with recursive r as (select n.title, 1 as depth from notes as n union select n.title, depth + 1 from notes as n, r where depth < 3) select * from r',
      ],
    },
    {
      name: 'rows by their place on disk',
      statements: [`select * from notes where ctid = any (array(select format('(0,%s)', g)::tid from generate_series(1, 200) as g))`],
    },
    { name: 'a sample', statements: ['select * from notes tablesample system (100)'] },
    {
      name: 'aggregates over everything',
      statements: ['select string_agg(title || body, $$,$$), array_agg(n) from notes as n', 'select json_agg(n) from notes as n'],
    },
    {
      name: 'grouping sets, where a policy could become a constant',
      statements: ['select tenant_id, title, count(*) from notes group by cube (tenant_id, title)'],
    },
    { name: 'row locks', statements: ['select * from notes for update', 'select * from notes for key share skip locked'] },
    {
      name: 'RETURNING old rows',
      statements: ['update notes set number = number returning *', 'delete from folders where false returning *'],
    },
    {
      name: 'the planner’s statistics',
      statements: [`select * from pg_stats where schemaname = current_schema()`, `select * from pg_stats_ext`],
    },
    { name: 'the statistics table itself', statements: ['select * from pg_statistic'], code: '42501' },
    { name: 'other sessions', statements: ['select * from pg_stat_activity'], code: '42501' },
    {
      name: 'an error that quotes a value',
      statements: [`select body::integer from notes where tenant_id <> (select b.tenant_id from partywall.bound as b)`],
    },
    { name: 'a division that depends on a value', statements: [`select 1 / (case when title like 'c%' then 0 else 1 end) from notes`] },
    { name: 'row_security off', statements: ['set local row_security = off', 'select * from notes'], code: '42501' },
    {
      name: 'a prepared statement, seven times',
      statements: ['prepare p as select * from notes', ...Array.from({ length: 7 }, () => 'execute p'), 'deallocate p'],
    },
    {
      name: 'a cursor that outlives its transaction',
      statements: ['declare c cursor with hold for select * from notes', 'fetch all from c', 'close c'],
    },
    {
      name: 'a generic plan',
      statements: [
        'set local plan_cache_mode = force_generic_plan',
        'prepare g (text) as select * from notes where title > $1',
        `execute g ('')`,
        'deallocate g',
      ],
    },
    { name: 'EXPLAIN', statements: ['explain (verbose) select * from notes'] },
  ]
}

function writes(carol: string): readonly Attack[] {
  return [
    { name: 'a row for carol', statements: [`insert into notes (tenant_id, title) values ('${carol}', 'from bob')`], code: '42501' },
    {
      name: 'a row for carol, copied from one’s own',
      statements: [`insert into notes (tenant_id, title) select '${carol}', title || '!' from notes`],
      code: '42501',
    },
    { name: 'a row without a tenant', statements: [`insert into notes (tenant_id, title) values (null, 'nobody''s')`], code: '42501' },
    {
      name: 'an upsert onto carol’s key',
      statements: [
        `insert into notes (tenant_id, title) values ('${carol}', 'carol''s note 1') on conflict (tenant_id, title) do update set body = 'bob was here'`,
      ],
      code: '42501',
    },
    {
      name: 'an upsert that hopes for silence',
      statements: [`insert into notes (tenant_id, title) values ('${carol}', 'carol''s note 1') on conflict do nothing`],
      code: '42501',
    },
    { name: 'one’s own rows handed over', statements: [`update notes set tenant_id = '${carol}'`], code: '42501' },
    {
      name: 'carol’s rows by her id',
      statements: [`update notes set body = 'bob was here' where tenant_id = '${carol}'`, `delete from notes where tenant_id = '${carol}'`],
    },
    {
      name: 'a MERGE that matches carol’s rows',
      statements: [
        `merge into notes as n using (values ('carol''s note 1')) as v (title) on n.title = v.title when matched then update set body = 'bob was here' when not matched then do nothing`,
      ],
    },
    {
      name: 'a MERGE that inserts for carol',
      statements: [
        `merge into notes as n using (values (1)) as v (a) on false when not matched then insert (tenant_id, title) values ('${carol}', 'merged')`,
      ],
      code: '42501',
    },
    {
      name: 'a write inside a CTE',
      statements: [`with w as (update notes set tenant_id = '${carol}' returning 1) select count(*) from w`],
      code: '42501',
    },
    { name: 'COPY FROM', statements: ['copy notes (tenant_id, title) from stdin'], code: '0A000' },
    { name: 'TRUNCATE', statements: ['truncate notes'], code: '42501' },
    { name: 'a write to a global table', statements: [`update countries set name = 'bobland'`], code: '42501' },
  ]
}

function powers(): readonly Attack[] {
  const denied = (statement: string): Attack => ({ name: statement, statements: [statement], code: '42501' })
  return [
    denied('set role partywall_owner'),
    denied('set role partywall_gatekeeper'),
    denied('set session authorization partywall_owner'),
    denied(`select set_config('role', 'partywall_owner', true)`),
    denied('alter role partywall_app superuser'),
    denied('alter role partywall_app bypassrls'),
    denied('alter role partywall_gatekeeper password null'),
    denied('grant partywall_owner to partywall_app'),
    denied('alter table notes disable row level security'),
    denied('alter table notes no force row level security'),
    denied('create policy open on notes using (true)'),
    denied('drop policy partywall_wall_select on notes'),
    denied('alter policy partywall_tenant on notes using (true)'),
    denied('create or replace view partywall.bound as select null::uuid as tenant_id'),
    denied('alter view partywall.bound set (security_invoker = true)'),
    denied(`create or replace function partywall.refuse() returns uuid language sql return null::uuid`),
    denied('drop function partywall.refuse() cascade'),
    denied('create table mine (a text)'),
    denied('create table public.mine (a text)'),
    denied('create schema mine'),
    denied('create temporary table notes (a text)'),
    denied('create temporary view notes as select 1'),
    denied('create function f() returns integer language sql return 1'),
    denied('create view v as select * from notes'),
    denied('create trigger t before insert on notes for each row execute function suppress_redundant_updates_trigger()'),
    denied('create rule r as on insert to notes do instead nothing'),
    denied('create extension dblink'),
    denied('create publication p for table notes'),
    denied(`create subscription s connection 'x' publication p with (connect = false)`),
    denied('create statistics s on title, body from notes'),
    denied('set session_replication_role = replica'),
    denied(`copy countries to '/tmp/x'`),
    denied(`copy countries to program 'true'`),
    denied('analyze pg_catalog.pg_authid; select * from pg_catalog.pg_authid'),
    denied('select * from pg_catalog.pg_user_mapping'),
    denied('alter default privileges for role partywall_owner grant all on tables to public'),
  ]
}

function controlPlane(carol: string): readonly Attack[] {
  const tables = ['capabilities', 'gates', 'logins', 'protected_tables', 'global_tables', 'ledger', 'migrations']
  // Where the catalog is not, there is nothing to refuse.
  const isAbsent = isolation !== 'pooled'
  const catalogTables = ['tenants', 'tenant_domains', 'api_keys', 'audit_trail', 'servers', 'databases', 'tombstones']
  const catalogCalls = [
    `find_api_key('abcdefghijkl')`,
    `touch_api_key('abcdefghijkl')`,
    `record_audit('a', 'allowed', null, null, null, null, null, null)`,
  ]
  const calls = [
    `issue(array['${carol}']::uuid[], interval '1 minute', 'eve')`,
    `revoke_tenant('${carol}')`,
    `revoke(array['${fake}']::uuid[])`,
    'reap(1)',
    `set_gate('${carol}', 'open')`,
    `protect('notes')`,
    `declare_global('notes', 'Everybody should see this.')`,
  ]
  const reading = (code: string) => (table: string) => ({
    name: `reading partywall.${table}`,
    statements: [`select * from partywall.${table}`],
    code,
  })
  const calling = (code: string) => (call: string) => ({
    name: `calling partywall.${call}`,
    statements: [`select partywall.${call}`],
    code,
  })
  return [
    ...tables.map(reading('42501')),
    ...catalogTables.map(reading(isAbsent ? '42P01' : '42501')),
    { name: 'counting partywall.capabilities', statements: ['select count(*) from partywall.capabilities'], code: '42501' },
    { name: 'locking partywall.gates', statements: ['lock table partywall.gates'], code: '42501' },
    {
      name: 'deleting carol’s capabilities',
      statements: [`delete from partywall.capabilities where tenant_id = '${carol}'`],
      code: '42501',
    },
    ...calls.map(calling('42501')),
    ...catalogCalls.map(calling(isAbsent ? '42883' : '42501')),
    {
      name: 'a leaky function over the wall’s own view',
      statements: [`select b.tenant_id, 1 / (case when b.tenant_id is null then 0 else 1 end) from partywall.bound as b`],
    },
  ]
}

function objects(): readonly Attack[] {
  const denied = (statement: string): Attack => ({ name: statement, statements: [statement], code: '42501' })
  return [
    denied('select lo_create(0)'),
    denied(`select lo_from_bytea(0, '\\x00')`),
    denied('select lo_get(1)'),
    denied(`select lo_import('/etc/passwd')`),
    denied(`select pg_read_file('PG_VERSION')`),
    denied(`select pg_ls_dir('.')`),
    denied('select pg_terminate_backend(1)'),
    denied('select pg_cancel_backend(1)'),
    denied('select pg_advisory_lock(1)'),
    denied('select pg_advisory_unlock_all()'),
    denied(`select table_to_xml('notes', true, false, '')`),
    denied(`select cursor_to_xml('c', 1, true, false, '')`),
    denied('select pg_stat_get_activity(null)'),
    denied('select pg_reload_conf()'),
    denied('select pg_switch_wal()'),
    denied(`select pg_create_logical_replication_slot('s', 'pgoutput')`),
  ]
}
