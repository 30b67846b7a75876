// Functions that are nobody's but the application's: PostgreSQL's own, partywall's and those of extensions are left out.

import { withPolicies } from './policies.ts'

/**
 * As `withPolicies`, and
 * `functions` (oid, schema, name, owner, language, is_definer, is_bound, is_temp_first, is_called, source): `name` is the signature, for
 * SQL; `is_bound`: the names in it were looked up when it was made; `is_temp_first`: its names may be found in a temporary table
 * before anywhere else, or wherever the caller's search_path says; `is_called`: a login may call it;
 * `makers` (can_make): may a login make a temporary table, or a schema?
 * `policy_functions` (policy, function): what the policies of tables call, by itself or through an operator.
 */
export const withFunctions = `${withPolicies}, functions as (
  select p.oid, n.nspname as schema, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name, p.proowner as owner,
         l.lanname::text as language, p.prosecdef as is_definer, p.prokind::text as kind, p.provolatile::text as volatility, p.proleakproof as is_leakproof,
         p.prorettype as returns, p.prosqlbody is not null as is_bound, path.setting as search_path,
         p.prosqlbody is null and l.lanname not in ('c', 'internal')
           and coalesce(path.setting !~ '^("*"*|(.*[, ])?"?pg_temp"?)$', true) as is_temp_first,
         entered.schema is not null and exists (
           select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl join takers on takers.oid = acl.grantee
         ) as is_called,
         coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) as source
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    join pg_catalog.pg_language as l on l.oid = p.prolang
    left join entered on entered.schema = n.oid
   cross join lateral (
           select (select substr(said.setting, length('search_path=') + 1) from unnest(p.proconfig) as said (setting) where said.setting like 'search_path=%') as setting
         ) as path
   where n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
     and not exists (select from extension_parts as e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
), makers (can_make) as (
  select exists (
    select from pg_catalog.pg_database as d
     cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as acl
      join takers on takers.oid = acl.grantee
     where d.datname = current_database() and acl.privilege_type in ('TEMPORARY', 'CREATE')
  )
), policy_functions (policy, function) as (
  select d.objid, d.refobjid from pg_catalog.pg_depend as d where d.classid = 'pg_policy'::regclass and d.refclassid = 'pg_proc'::regclass
  union
  select d.objid, o.oprcode::oid
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_operator as o on o.oid = d.refobjid
   where d.classid = 'pg_policy'::regclass and d.refclassid = 'pg_operator'::regclass
)`

/** SQL: pins the path of a function in `functions`, as it would look names up today, with temporary tables last. */
export const pinnedPath = `format('alter function %s set search_path = %s, pg_temp;', f.name,
  coalesce(nullif(trim(both ', ' from regexp_replace(f.search_path, '(^|, *)"?pg_temp"?', '', 'g')), ''), format('pg_catalog, %I', f.schema)))`
