// Powers: what the login of an application must not be able to do at all, whoever has it. Each must fail.

import { logins } from '../../../postgres/installation.ts'
import type { Mutation, SqlAttack } from '../attack.ts'
import { grantedInControlPlane, grantedOnTable, memberOf, ownedByApp, superuserApp } from '../mutations.ts'
import type { TableTarget } from '../target.ts'

function power(
  id: string,
  tries: string,
  statement: (target: TableTarget) => string,
  mutation: Mutation,
  refusals: readonly string[] = [],
): SqlAttack {
  return { id, tries, on: 'once', mutation, plan: (target) => ({ statements: [statement(target)], isForbidden: true, refusals }) }
}

const overTable: readonly (readonly [id: string, tries: string, statement: (target: TableTarget) => string, mutation?: Mutation])[] = [
  ['disable', 'switch row-level security off', ({ sql }) => `alter table ${sql} disable row level security`],
  ['no-force', 'let the owner past it', ({ sql }) => `alter table ${sql} no force row level security`],
  ['policy', 'add a policy', ({ sql }) => `create policy kit on ${sql} using (true)`],
  ['drop-policy', 'drop a policy', ({ sql }) => `drop policy partywall_wall_select on ${sql}`],
  ['alter-policy', 'rewrite a policy', ({ sql }) => `alter policy partywall_tenant on ${sql} using (true)`],
  ['owner', 'give the table to somebody', ({ sql }) => `alter table ${sql} owner to ${logins.app}`],
  ['add-column', 'add a column', ({ sql }) => `alter table ${sql} add column kit integer`],
  ['drop-column', 'drop the tenant’s column', ({ sql, tenant }) => `alter table ${sql} drop column ${tenant} cascade`],
  ['default', 'give the tenant’s column another default', ({ sql, tenant }) => `alter table ${sql} alter column ${tenant} drop default`],
  ['drop', 'drop the table', ({ sql }) => `drop table ${sql} cascade`],
  ['rename', 'rename the table', ({ sql }) => `alter table ${sql} rename to kit_renamed`],
  ['schema', 'move the table to another schema', ({ sql }) => `alter table ${sql} set schema public`, superuserApp],
  [
    'trigger',
    'put a trigger on it',
    ({ sql }) => `create trigger kit before insert on ${sql} for each row execute function suppress_redundant_updates_trigger()`,
    grantedOnTable('trigger'),
  ],
  ['disable-trigger', 'switch its triggers off', ({ sql }) => `alter table ${sql} disable trigger user`],
  ['rule', 'put a rule on it', ({ sql }) => `create rule kit as on insert to ${sql} do instead nothing`],
  ['index', 'put an index on it', ({ sql, tenant }) => `create index kit on ${sql} (${tenant})`],
  ['comment', 'comment on it', ({ sql }) => `comment on table ${sql} is 'kit'`],
  ['inherit', 'inherit from it', ({ sql }) => `create table app.kit_heir () inherits (${sql})`],
  ['like', 'make a table like it', ({ sql }) => `create table app.kit_like (like ${sql})`],
  ['view', 'put a view over it', ({ sql }) => `create view app.kit_view as select * from ${sql}`],
  ['matview', 'keep a copy of it in a materialized view', ({ sql }) => `create materialized view app.kit_copy as select * from ${sql}`],
  [
    'statistics',
    'make statistics of it',
    ({ sql, table }) =>
      `create statistics app.kit_stats on ${table.columns
        .slice(0, 2)
        .map(({ name }) => `"${name}"`)
        .join(', ')} from ${sql}`,
  ],
  ['reindex', 'rebuild its indexes', ({ sql }) => `reindex table ${sql}`],
  [
    'grant',
    'let everybody in',
    ({ sql }) =>
      `do $$ begin grant all on ${sql} to public; if not has_table_privilege('${logins.app}', '${sql}', 'truncate') then raise insufficient_privilege; end if; end $$`,
  ],
  ['replica', 'change what replication knows of it', ({ sql }) => `alter table ${sql} replica identity nothing`],
  ['publication', 'publish it', ({ sql }) => `create publication kit for table ${sql}`, superuserApp],
  [
    'definer',
    'make a function that runs as somebody else',
    ({ sql }) => `create function app.kit() returns bigint language sql security definer as 'select count(*) from ${sql}'`,
  ],
]

const ofTable = overTable.map(([id, tries, statement, mutation]) => power(`power.table.${id}`, tries, statement, mutation ?? ownedByApp))

const overServer: readonly (readonly [id: string, tries: string, statement: string])[] = [
  ['role', 'make a role', 'create role kit_eve login'],
  ['role-superuser', 'make oneself a superuser', `alter role ${logins.app} superuser`],
  ['role-bypass', 'give oneself BYPASSRLS', `alter role ${logins.app} bypassrls`],
  ['grant-owner', 'become a member of the owner', `do $$ begin grant partywall_owner to ${logins.app}; end $$`],
  ['authorization', 'be somebody else from now on', 'set session authorization partywall_gatekeeper'],
  ['system', 'change the server’s settings', `do $$ begin perform pg_catalog.pg_reload_conf(); end $$`],
  ['replica-role', 'switch triggers and references off', 'set local session_replication_role = replica'],
  ['schema', 'make a schema', 'create schema kit'],
  ['table', 'make a table', 'create table app.kit (a integer)'],
  ['temporary', 'make a temporary table that shadows one of the application', 'create temporary table documents (a integer)'],
  ['function', 'make a function', `create function app.kit() returns integer language sql as 'select 1'`],
  ['type', 'make a type', 'create type app.kit as (a integer)'],
  ['sequence', 'make a sequence', 'create sequence app.kit'],
  [
    'operator',
    'make an operator that could stand for another',
    'create operator app.= (leftarg = text, rightarg = text, function = texteq)',
  ],
  ['extension', 'install an extension', 'create extension pg_trgm schema app'],
  ['language', 'make a language', 'create trusted language kit handler plpgsql_call_handler'],
  ['wrapper', 'make a foreign data wrapper', 'create foreign data wrapper kit'],
  [
    'subscription',
    'subscribe to another server',
    `create subscription kit connection 'host=127.0.0.1' publication x with (connect = false)`,
  ],
  [
    'defaults',
    'change the privileges of what the owner will make',
    'alter default privileges for role partywall_owner grant all on tables to public',
  ],
  ['copy-file', 'write a file', `copy (select 1) to '/tmp/partywall-kit-never'`],
  ['copy-program', 'run a program', `copy (select 1) to program 'true'`],
  ['read-file', 'read a file', `select pg_read_file('PG_VERSION')`],
  ['list-files', 'list files', `select pg_ls_dir('.')`],
  ['import', 'import a file', `select lo_import('/etc/hostname')`],
  ['large-object', 'make a large object, which no tenant owns', 'select lo_create(0)'],
  ['large-object-bytes', 'make one of bytes', `select lo_from_bytea(0, 'x')`],
  ['terminate', 'end another’s session', 'select pg_terminate_backend(0)'],
  ['cancel', 'cancel another’s statement', 'select pg_cancel_backend(0)'],
  ['activity', 'see what others run', 'select * from pg_stat_get_activity(null)'],
  ['activity-view', 'see it in the view', 'select * from pg_stat_activity'],
  ['session-lock', 'hold a lock of the session', 'select pg_advisory_lock(1)'],
  ['session-lock-try', 'try for one', 'select pg_try_advisory_lock(1)'],
  ['unlock-all', 'let all of them go', 'select pg_advisory_unlock_all()'],
  ['xml-query', 'run a text as a query, by query_to_xml', `select query_to_xml('select 1', true, false, '')`],
  ['xml-table', 'read a table by table_to_xml', `select table_to_xml('partywall.gates', true, false, '')`],
  ['xml-schema', 'read a schema by schema_to_xml', `select schema_to_xml('app', true, false, '')`],
  ['xml-database', 'read the database’s shape by database_to_xmlschema', `select database_to_xmlschema(true, false, '')`],
  ['ts-stat', 'run a text as a query, by ts_stat', `select * from ts_stat('select to_tsvector(''x'')')`],
  ['slot', 'read the log of changes', `select pg_create_logical_replication_slot('kit', 'pgoutput', true)`],
  ['switch-wal', 'switch the log of changes', 'select pg_switch_wal()'],
  ['passwords', 'read the passwords', 'select * from pg_catalog.pg_authid'],
  ['shadow', 'read them in the old view', 'select * from pg_catalog.pg_shadow'],
  ['mappings', 'read passwords for other servers', 'select * from pg_catalog.pg_user_mapping'],
  ['raw-statistics', 'read the statistics behind their view', 'select * from pg_catalog.pg_statistic'],
  ['raw-statistics-more', 'read those of several columns', 'select * from pg_catalog.pg_statistic_ext_data'],
  ['subscriptions', 'read how others are subscribed', 'select subconninfo from pg_catalog.pg_subscription'],
  ['hba', 'read who may log in', 'select * from pg_catalog.pg_hba_file_rules'],
  ['files', 'read the server’s configuration', 'select * from pg_catalog.pg_file_settings'],
  ['load', 'load a library', `load 'plpgsql'`],
]

const ofServer = overServer.map(([id, tries, statement]) => power(`power.server.${id}`, tries, () => statement, superuserApp, ['0A000']))

/** Roles that are worth becoming. */
const roles = [
  'partywall_owner',
  'partywall_migrator',
  'partywall_gatekeeper',
  'partywall_doctor',
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_monitor',
  'pg_signal_backend',
  'pg_read_server_files',
  'pg_execute_server_program',
]

const becoming = roles.flatMap((role): readonly SqlAttack[] => [
  power(`power.become.${role}`, `become ${role}`, () => `set local role ${role}`, memberOf(role)),
  power(
    `power.become.${role}.in-statement`,
    `become ${role} in the middle of a statement`,
    ({ sql }) =>
      `with x as materialized (select set_config('role', '${role}', true) as v) select t.* from x, lateral (select * from ${sql} where x.v is not null) as t`,
    memberOf(role),
  ),
])

/** Tables of the control plane. */
const controlTables = [
  'capabilities',
  'gates',
  'logins',
  'protected_tables',
  'global_tables',
  'migrations',
  'ledger',
  'tenants',
  'tenant_domains',
  'api_keys',
  'audit_trail',
  'servers',
  'databases',
  'tombstones',
  'operations',
  'moves',
]

const ofControlTables = controlTables.flatMap((table): readonly SqlAttack[] => [
  power(`control.read.${table}`, `read partywall.${table}`, () => `select * from partywall.${table}`, grantedInControlPlane(table)),
  power(
    `control.count.${table}`,
    `count partywall.${table}`,
    () => `select count(*) from partywall.${table}`,
    grantedInControlPlane(table),
  ),
  // The trail takes nothing away for anybody, be it a superuser.
  ...(table === 'audit_trail'
    ? []
    : [power(`control.delete.${table}`, `empty partywall.${table}`, () => `delete from partywall.${table} where false`, superuserApp)]),
])

const calls: readonly (readonly [id: string, call: string])[] = [
  ['issue', `issue(array[gen_random_uuid()], interval '1 minute', 'kit')`],
  ['revoke', 'revoke(array[gen_random_uuid()])'],
  ['revoke-tenant', 'revoke_tenant(gen_random_uuid())'],
  ['reap', 'reap(1)'],
  ['set-gate', `set_gate(gen_random_uuid(), 'open')`],
  ['prepare-gate', 'prepare_gate(gen_random_uuid(), null, null)'],
  ['act-for', 'act_for(gen_random_uuid(), null, null)'],
  ['stop-acting', 'stop_acting(gen_random_uuid(), false)'],
  ['find-api-key', `find_api_key('abcdefghijkl')`],
  ['touch-api-key', `touch_api_key('abcdefghijkl')`],
]

const ofControlCalls = calls.map(([id, call]) =>
  power(`control.call.${id}`, `call partywall.${call.split('(')[0]}()`, () => `select partywall.${call}`, superuserApp, ['42883']),
)

/** Attacks that use a power which the login should not have. */
export const powers: readonly SqlAttack[] = [...ofTable, ...ofServer, ...becoming, ...ofControlTables, ...ofControlCalls]
