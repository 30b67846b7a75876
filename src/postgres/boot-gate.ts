// The boot gate: partywall refuses to start on a database that would not keep its promises. The critical rules only, read from
// PostgreSQL's catalogs in one statement; each finding comes with the SQL that mends it. No tenant's row is read.

import type { TenantKeyType } from '../core/tenant-key.ts'
import { BootRefusedError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'
import { roles } from './roles.ts'

/** One reason not to start. */
export interface BootFinding {
  readonly rule: string
  readonly object: string
  readonly problem: string
  /** SQL, to be run as a superuser or the owner; null where a person must decide. */
  readonly fix: string | null
}

/** What stands behind the wall, as the database has it. */
export interface ProtectedTable {
  readonly schema: string
  readonly table: string
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
}

/**
 * Everything that makes the database unsafe for the app's login.
 *
 * @param control A connection of the gatekeeper's login, in the same database.
 * @param appRole The role that the app's login really has, as it says itself.
 */
export async function bootFindings(control: ControlConnection, appRole: string): Promise<readonly BootFinding[]> {
  const parts = [
    roleRules,
    settingRules,
    membershipRules,
    ownershipRules,
    databaseRules,
    tableRules,
    policyRules,
    viewRules,
    rootRules,
    functionRules,
    controlPlaneRules,
  ]
  return await control.query<BootFinding>(parts.join('\nunion all\n'), [appRole, roles.owner, null])
}

/** The same of one schema's tables and views, however many schemas the database has. */
export async function schemaFindings(control: ControlConnection, appRole: string, schema: string): Promise<readonly BootFinding[]> {
  const parts = [noRules, tableRules, policyRules, viewRules]
  return await control.query<BootFinding>(parts.join('\nunion all\n'), [appRole, roles.owner, schema])
}

/** @throws {BootRefusedError} with every finding, when there is one. */
export async function assertSafe(control: ControlConnection, appRole: string): Promise<void> {
  const findings = await bootFindings(control, appRole)
  if (findings.length === 0) return
  const list = findings.map((finding) => `  ${finding.rule}: ${finding.problem}${finding.fix === null ? '' : `\n    ${finding.fix}`}`)
  throw new BootRefusedError(
    `The database is not safe for tenants (${findings.length} findings). Mend each, then start again:\n${list.join('\n')}`,
    {
      details: { findings },
    },
  )
}

/** The tables behind the wall. */
export async function protectedTables(control: ControlConnection): Promise<readonly ProtectedTable[]> {
  return await control.query<ProtectedTable>(
    `select n.nspname as schema, c.relname as table, p.tenant_column as "tenantColumn", format_type(a.atttypid, null) as "tenantType"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = p.tenant_column and not a.attisdropped
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      order by 1, 2`,
  )
}

// $1 the app's role, $2 the owner, $3 one schema or null for all. Columns of every part: rule, object, problem, fix.

const roleRules = `
  select 'role_attributes' as rule, r.rolname::text as object,
         format('The app''s login %I has %s: policies do not hold for it, or it can lift them.', r.rolname, concat_ws(', ',
           case when r.rolsuper then 'SUPERUSER' end, case when r.rolbypassrls then 'BYPASSRLS' end,
           case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolcreatedb then 'CREATEDB' end,
           case when r.rolreplication then 'REPLICATION' end)) as problem,
         format('alter role %I nosuperuser nobypassrls nocreaterole nocreatedb noreplication;', r.rolname) as fix
    from pg_catalog.pg_roles as r
   where r.rolname = $1::name and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
  union all
  select 'owner_attributes', r.rolname::text,
         format('The owner %I can log in, is a superuser or bypasses row-level security.', r.rolname),
         format('alter role %I nologin nosuperuser nobypassrls;', r.rolname)
    from pg_catalog.pg_roles as r
   where r.rolname = $2::name and (r.rolcanlogin or r.rolsuper or r.rolbypassrls)
  union all
  select 'role_identity', $1::text, 'The app and the gatekeeper use the same login: injected SQL could issue capabilities.', null
   where $1::name = current_user or $1::name = $2::name`

/** Finds nothing: a statement has to name each of its parameters. */
const noRules = `select null::text as rule, null::text as object, null::text as problem, null::text as fix where $2::name is null`

/** The app's login may change its own stored settings, and they outlive every connection. */
const settingRules = `
  select 'stored_setting', split_part(setting, '=', 1), format('The app''s login has %s stored as its own: every new connection begins with it.', setting),
         format('alter role %I%s reset %I;', r.rolname, case when d.datname is null then '' else format(' in database %I', d.datname) end, split_part(setting, '=', 1))
         || case when split_part(setting, '=', 1) = 'search_path' and d.datname is null then format(' alter role %I set search_path = app, pg_temp;', r.rolname) else '' end
    from pg_catalog.pg_db_role_setting as s
    join pg_catalog.pg_roles as r on r.oid = s.setrole
    left join pg_catalog.pg_database as d on d.oid = s.setdatabase
    cross join lateral unnest(s.setconfig) as setting
   where r.rolname = $1::name
     and (d.datname is null or d.datname = current_database())
     and (split_part(setting, '=', 1) in ('role', 'row_security', 'session_replication_role')
       or setting like 'partywall.%'
       or (split_part(setting, '=', 1) = 'search_path' and setting <> 'search_path=app, pg_temp'))`

const membershipRules = `
  select 'membership', m.rolname::text, format('The app''s login is a member of %I and can act as it.', m.rolname),
         format('revoke %I from %I;', m.rolname, a.rolname)
    from pg_catalog.pg_roles as a
    join pg_catalog.pg_auth_members as am on am.member = a.oid
    join pg_catalog.pg_roles as m on m.oid = am.roleid
   where a.rolname = $1::name and m.rolname <> '${roles.tenants}'`

const ownershipRules = `
  select 'ownership', format('%I.%I', n.nspname, c.relname), format('The app''s login owns %I.%I and could switch its policies off.', n.nspname, c.relname),
         format('alter table %I.%I owner to %I;', n.nspname, c.relname, $2::name)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.oid >= 16384 and pg_get_userbyid(c.relowner) = $1::name and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select 'ownership', p.oid::regprocedure::text, format('The app''s login owns the function %s.', p.oid::regprocedure),
         format('alter function %s owner to %I;', p.oid::regprocedure, $2::name)
    from pg_catalog.pg_proc as p
   where p.oid >= 16384 and pg_get_userbyid(p.proowner) = $1::name
  union all
  select 'ownership', n.nspname::text, format('The app''s login owns the schema %I.', n.nspname), format('alter schema %I owner to %I;', n.nspname, $2::name)
    from pg_catalog.pg_namespace as n
   where n.oid >= 16384 and pg_get_userbyid(n.nspowner) = $1::name`

const databaseRules = `
  select 'create_privilege', n.nspname::text, format('The app may create objects in the schema %I.', n.nspname),
         format('revoke create on schema %I from public, %I;', n.nspname, $1::name)
    from pg_catalog.pg_namespace as n
   where n.nspname !~ '^pg_(toast|temp)' and has_schema_privilege($1::name, n.oid, 'create')
  union all
  select 'database_privilege', d.datname::text, 'The app may create schemas or temporary tables, which can shadow its own.',
         format('revoke create, temporary on database %I from public, %I;', d.datname, $1::name)
    from pg_catalog.pg_database as d
   where d.datname = current_database() and (has_database_privilege($1::name, d.oid, 'create') or has_database_privilege($1::name, d.oid, 'temporary'))
  union all
  select 'parameter_privilege', 'session_replication_role', 'The app may set session_replication_role, which switches constraints and triggers off.',
         format('revoke set on parameter session_replication_role from public, %I;', $1::name)
   where has_parameter_privilege($1::name, 'session_replication_role', 'set')`

/** Tables that the app can reach, outside PostgreSQL's own schemas and the control plane's, which has rules of its own. */
const reachableTables = `
    select c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p')
       and n.nspname not in ('pg_catalog', 'information_schema', 'partywall')
       and n.nspname !~ '^pg_(toast|temp)'
       and ($3::text is null or n.nspname = $3::text)
       and has_schema_privilege($1::name, n.oid, 'usage')
       and (has_table_privilege($1::name, c.oid, 'select, insert, update, delete, truncate, references, trigger')
         or has_any_column_privilege($1::name, c.oid, 'select, insert, update, references'))`

/** The tables that the database has as protected. One schema's are one range of the primary key. */
const protectedHere = `
    select listed.table_name, listed.tenant_column
      from partywall.protected_tables as listed
     where $3::text is null or (listed.table_name >= $3::text || '.' and listed.table_name < $3::text || '/')`

const tableRules = `
  select 'unprotected_table', t.name,
         format('The app can reach %s, which is neither behind the wall nor declared global.', t.name),
         format('select partywall.protect(%L);', t.name)
    from (${reachableTables}) as t
   where not exists (select from partywall.protected_tables as p where p.table_name = t.name)
     and not exists (select from partywall.global_tables as g where g.table_name = t.name)
  union all
  select 'row_security_off', t.name, format('Row-level security is not enabled and forced on %s.', t.name),
         format('alter table %s enable row level security, force row level security;', t.name)
    from (${reachableTables}) as t
   where not (t.relrowsecurity and t.relforcerowsecurity)
     and exists (select from partywall.protected_tables as p where p.table_name = t.name)
  union all
  select 'table_privilege', t.name, format('The app may TRUNCATE %s, reference it or put triggers on it.', t.name),
         format('revoke truncate, references, trigger on %s from public, %I;', t.name, $1::name)
    from (${reachableTables}) as t
   where has_table_privilege($1::name, t.oid, 'truncate, references, trigger')
  union all
  select 'global_table_written', t.name, format('The app may write %s, which is declared global: one tenant would write for all.', t.name),
         format('revoke insert, update, delete on %s from public, %I;', t.name, $1::name)
    from (${reachableTables}) as t
    join partywall.global_tables as g on g.table_name = t.name
   where has_table_privilege($1::name, t.oid, 'insert, update, delete')
      or has_any_column_privilege($1::name, t.oid, 'insert, update')
  union all
  select 'tenant_column', p.table_name, format('%s: %I is gone, or may be null.', p.table_name, p.tenant_column),
         format('alter table %s alter column %I set not null;', p.table_name, p.tenant_column)
    from (${protectedHere}) as p
   where to_regclass(p.table_name) is not null
     and not exists (
       select from pg_catalog.pg_attribute as a
        where a.attrelid = to_regclass(p.table_name) and a.attname = p.tenant_column and a.attnotnull and not a.attisdropped
     )`

/** Which policies every protected table has, and what each must read. */
const policyRules = `
  select 'policy', p.table_name, format('The policy %s of %s is missing or was changed.', wanted.name, p.table_name),
         format('select partywall.protect(%L, %L);', p.table_name, p.tenant_column)
    from (${protectedHere}) as p
    cross join (values
      ('partywall_tenant', true, '*', '', true, true),
      ('partywall_wall_select', false, 'r', '', true, false),
      ('partywall_wall_insert', false, 'a', '_for_writing', false, true),
      ('partywall_wall_update', false, 'w', '_for_writing', true, true),
      ('partywall_wall_delete', false, 'd', '_for_writing', true, false)
    ) as wanted (name, permissive, command, mode, uses, checks)
    left join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(p.table_name) and a.attname = p.tenant_column and not a.attisdropped
    cross join lateral (
      select 'bound' || case a.atttypid when 'bigint'::regtype then '_bigint' when 'text'::regtype then '_text' else '' end || wanted.mode as source
    ) as bound
   where to_regclass(p.table_name) is not null
     and not exists (
       select from pg_catalog.pg_policy as actual
        where actual.polrelid = to_regclass(p.table_name)
          and actual.polname = wanted.name
          and actual.polpermissive = wanted.permissive
          and actual.polcmd::text = wanted.command
          and actual.polroles = '{0}'
          and pg_get_expr(actual.polqual, actual.polrelid) is not distinct from case when wanted.uses then
                format('(%I = ( SELECT b.tenant_id
   FROM partywall.%s b))', p.tenant_column, bound.source) end
          and pg_get_expr(actual.polwithcheck, actual.polrelid) is not distinct from case when wanted.checks then
                format('(%I = ( SELECT b.tenant_id
   FROM partywall.%s b))', p.tenant_column, bound.source) end
     )
  union all
  select 'foreign_policy', p.table_name, format('The permissive policy %I on %s is not ours: permissive policies open what others close.', f.polname, p.table_name),
         format('drop policy %I on %s;', f.polname, p.table_name)
    from (${protectedHere}) as p
    join pg_catalog.pg_policy as f on f.polrelid = to_regclass(p.table_name) and f.polpermissive
     -- One of ours that was made permissive is the finding above: protect() replaces it.
     and f.polname !~ '^partywall_(tenant|wall_(select|insert|update|delete))$'`

/** Tenants' own tables are attached to them while they move, so that whoever can read one reads every tenant who moves. */
export const rootRules = `
  select 'root_for_moves', format('%I.%I', n.nspname, c.relname),
         format('%I.%I is the root under which tenants'' own tables move, and it has %s.', n.nspname, c.relname, concat_ws(', ',
           case when pg_get_userbyid(c.relowner) <> '${roles.owner}' then format('the owner %I', pg_get_userbyid(c.relowner)) end,
           case when not (c.relrowsecurity and c.relforcerowsecurity) then 'no forced row-level security' end,
           case when given.away then 'privileges that are not its owner''s' end,
           case when open.policies then 'a policy' end)),
         case when not open.policies then
           format('alter table %I.%I enable row level security, force row level security; revoke all on %1$I.%2$I from public, ${roles.app}, ${roles.tenants};', n.nspname, c.relname)
         end
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   cross join lateral (
           select exists (select from aclexplode(c.relacl) as acl where acl.grantee <> c.relowner)
               or exists (select from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attacl is not null) as away
         ) as given
   cross join lateral (select exists (select from pg_catalog.pg_policy as p where p.polrelid = c.oid) as policies) as open
   where c.relkind = 'p'
     and obj_description(c.oid, 'pg_class') = 'partywall: root for moves'
     and (pg_get_userbyid(c.relowner) <> '${roles.owner}' or not (c.relrowsecurity and c.relforcerowsecurity) or given.away or open.policies)`

const viewRules = `
  select case c.relkind when 'v' then 'definer_view' when 'm' then 'materialized_view' else 'foreign_table' end, format('%I.%I', n.nspname, c.relname),
         case c.relkind
           when 'v' then format('The view %I.%I runs with its owner''s rights: policies hold for the owner, not for the tenant.', n.nspname, c.relname)
           when 'm' then format('The materialized view %I.%I cannot carry policies.', n.nspname, c.relname)
           else format('The foreign table %I.%I cannot carry policies.', n.nspname, c.relname) end,
         case c.relkind
           when 'v' then format('alter view %I.%I set (security_invoker = true);', n.nspname, c.relname)
           else format('revoke all on %I.%I from public, %I;', n.nspname, c.relname, $1::name) end
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname not in ('pg_catalog', 'information_schema', 'partywall')
     and ($3::text is null or n.nspname = $3::text)
     and has_schema_privilege($1::name, n.oid, 'usage')
     and (has_table_privilege($1::name, c.oid, 'select, insert, update, delete') or has_any_column_privilege($1::name, c.oid, 'select'))
     and (c.relkind in ('m', 'f')
       or (c.relkind = 'v' and not coalesce((select option_value::boolean from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'), false)
           and not exists (select from pg_catalog.pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')))`

const functionRules = `
  select 'definer_function', p.oid::regprocedure::text,
         format('The app may call %s, which runs with the rights of %I.', p.oid::regprocedure, pg_get_userbyid(p.proowner)),
         format('revoke execute on function %s from public, %I;', p.oid::regprocedure, $1::name)
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
   where p.prosecdef
     and n.nspname not in ('pg_catalog', 'information_schema', 'partywall')
     and has_schema_privilege($1::name, n.oid, 'usage')
     and has_function_privilege($1::name, p.oid, 'execute')
     and (select r.rolsuper or r.rolbypassrls or not c.forced from pg_catalog.pg_roles as r, lateral (select pg_get_userbyid(p.proowner) = $2::name as forced) as c where r.oid = p.proowner)
  union all
  select 'denied_function', p.oid::regprocedure::text, format('The app may call %s, which runs SQL text or keeps state past the lease.', p.oid::regprocedure),
         format('revoke execute on function %s from public, %I;', p.oid::regprocedure, $1::name)
    from pg_catalog.pg_proc as p
   where p.pronamespace = 'pg_catalog'::regnamespace
     and p.proname in ('query_to_xml', 'pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'lo_import', 'lo_export', 'pg_terminate_backend')
     and has_function_privilege($1::name, p.oid, 'execute')`

const controlPlaneRules = `
  select 'control_plane', format('%I.%I', n.nspname, c.relname), format('The app may read or write %I.%I.', n.nspname, c.relname),
         format('revoke all on %I.%I from public, %I;', n.nspname, c.relname, $1::name)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname = 'partywall'
     and c.relkind in ('r', 'p', 'v', 'm')
     and (has_table_privilege($1::name, c.oid, 'select, insert, update, delete') or has_any_column_privilege($1::name, c.oid, 'select, insert, update'))
     and not (c.relname ~ '^bound(_bigint|_text)?(_for_writing)?$' and not has_table_privilege($1::name, c.oid, 'insert, update, delete'))
  union all
  select 'control_plane', p.oid::regprocedure::text, format('The app may call %s.', p.oid::regprocedure),
         format('revoke execute on function %s from public, %I;', p.oid::regprocedure, $1::name)
    from pg_catalog.pg_proc as p
   where p.pronamespace = 'partywall'::regnamespace
     and p.prosecdef
     and p.proname not in ('tenant_id', 'tenant_bigint', 'tenant_text', 'refuse', 'refuse_write', 'refuse_key', 'refuse_write_key', 'bind_capability', 'issue_own', 'issue_for_grant', 'revoke_grant', 'gate_of', 'reopen_gate', 'append_own_audit')
     and has_function_privilege($1::name, p.oid, 'execute')`
