-- The ledger: which of the application's migrations each schema of this database has. Run as partywall_owner; written by it alone.

create table partywall.ledger (
  schema_name text collate "C" not null,
  version text collate "C" not null,
  file text collate "C" not null,
  sha256 text collate "C" not null,
  applied_at timestamptz not null default clock_timestamp(),
  duration_ms integer not null,
  applied_by text not null,
  constraint ledger_pkey primary key (schema_name, version),
  constraint ledger_version_check check (version ~ '^[0-9]{4}$'),
  constraint ledger_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint ledger_duration_ms_check check (duration_ms >= 0),
  constraint ledger_applied_by_check check (length(applied_by) between 1 and 200)
);
comment on table partywall.ledger is
  'One row for each migration that a schema of this database has, written in the migration''s own transaction. Written through partywall.end_migration() by partywall_owner; read by the gatekeeper.';
grant select on partywall.ledger to partywall_gatekeeper, partywall_doctor;

-- The lock that makes two runners take turns in one schema.
create function partywall.migration_lock(schema_name text) returns bigint
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $fn$
begin
  return hashtextextended('partywall migrations of ' || schema_name, 0);
end
$fn$;

-- The start of a migration's transaction: waits for its turn, and refuses when the schema is not where the caller believes it to be.
-- `after_version` is the version that the schema has now; null for none.
create function partywall.begin_migration(schema_name text, version text, after_version text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  newest text;
begin
  perform pg_advisory_xact_lock(partywall.migration_lock(schema_name));
  -- A second statement, so that it sees what the other runner committed while we waited.
  select l.version into newest
    from partywall.ledger as l
   where l.schema_name = begin_migration.schema_name
   order by l.version desc
   limit 1;
  if newest is distinct from after_version then
    raise exception using errcode = 'PW012',
      message = format('%I has the migrations up to %s, not up to %s', schema_name, coalesce(newest, 'none'), coalesce(after_version, 'none'));
  end if;
end
$fn$;

-- Refuses a schema with a table that is neither behind the wall nor declared global, and a protected table with a key that lets one
-- tenant learn of another. Read from PostgreSQL's catalogs; the list of protected tables only tells the tenant column.
-- What stands in a schema is found by what depends on the schema: pg_class has no index by schema, and holds all schemas' tables.
create function partywall.assert_walled(schema_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  bare regclass;
  suspect record;
  findings jsonb;
  here oid;
begin
  select n.oid into here from pg_namespace as n where n.nspname = assert_walled.schema_name;
  if here is null then
    raise exception using errcode = '3F000', message = format('there is no schema %I', schema_name);
  end if;

  select c.oid into bare
    from pg_depend as d
    join pg_class as c on c.oid = d.objid
    left join partywall.global_tables as g on g.table_name = partywall.table_name(case when c.relispartition then partywall.partition_root(c.oid) else c.oid end)
   where d.refclassid = 'pg_namespace'::regclass
     and d.refobjid = here
     and d.classid = 'pg_class'::regclass
     and c.relkind in ('r', 'p')
     and g.table_name is null
     and not (
       c.relrowsecurity and c.relforcerowsecurity
       and (
         exists (select from pg_policy as p where p.polrelid = c.oid and p.polname = 'partywall_tenant')
         or partywall.is_root_for_moves(c.oid)
         or (c.relispartition and partywall.partition_root(c.oid) <> c.oid)
       )
     )
   order by c.oid
   limit 1;
  if bare is not null then
    findings := jsonb_build_array(jsonb_build_object(
      'rule', 'unprotected_table', 'object', partywall.table_name(bare),
      'problem', format('%s is neither behind the wall nor declared global.', partywall.table_name(bare)),
      'fix', format('select partywall.protect(%L);', partywall.table_name(partywall.partition_root(bare)))));
    raise exception using errcode = 'PW010',
      message = format('%s is neither behind the wall nor declared global', partywall.table_name(bare)),
      detail = findings::text,
      hint = format('select partywall.protect(%L); or: select partywall.declare_global(%1$L, ''why all tenants may read it'');',
        partywall.table_name(partywall.partition_root(bare)));
  end if;

  -- A key, a reference or a sequence of a table that was protected before. The exact reasons are asked for only when there may be one.
  for suspect in
    select c.oid::regclass as rel, p.tenant_column
      from pg_depend as d
      join pg_class as c on c.oid = d.objid
      join partywall.protected_tables as p on p.table_name = partywall.table_name(c.oid)
      join pg_attribute as a on a.attrelid = c.oid and a.attname = p.tenant_column and a.attnum > 0
     where d.refclassid = 'pg_namespace'::regclass
       and d.refobjid = here
       and d.classid = 'pg_class'::regclass
       and c.relkind in ('r', 'p')
       and (
         not a.attnotnull
         or exists (select from pg_index as i where i.indrelid = c.oid and i.indkey[0] <> a.attnum)
         or exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype = 'f' and k.conparentid = 0 and k.conkey[1] <> a.attnum)
         or exists (select from pg_depend as s where s.refclassid = 'pg_class'::regclass and s.refobjid = c.oid and s.deptype in ('a', 'i')
                       and s.classid = 'pg_class'::regclass and s.refobjsubid > 0
                       and exists (select from pg_class as q where q.oid = s.objid and q.relkind = 'S'))
       )
  loop
    select jsonb_agg(jsonb_build_object('rule', f.rule, 'object', f.object, 'problem', f.problem, 'fix', f.fix)) into findings
      from partywall.table_findings(suspect.rel, suspect.tenant_column::name) as f;
    if findings is not null then
      raise exception using errcode = 'PW010',
        message = format('%s is not sound any more: %s', partywall.table_name(suspect.rel),
          (select string_agg(f ->> 'problem', ' ') from jsonb_array_elements(findings) as f)),
        detail = findings::text,
        hint = coalesce((select string_agg(f ->> 'fix', E'\n') from jsonb_array_elements(findings) as f where f ->> 'fix' is not null), '');
    end if;
  end loop;
end
$fn$;
comment on function partywall.assert_walled(text) is
  'Refuses (PW010) when a table of the schema is neither protected nor global, or a protected one has got a key, a reference or a sequence that tells of other tenants.';

-- The end of a migration's transaction: the wall still stands, and the ledger says that this file is applied.
create function partywall.end_migration(schema_name text, version text, file text, sha256 text, applied_by text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
begin
  perform partywall.assert_walled(schema_name);
  insert into partywall.ledger (schema_name, version, file, sha256, duration_ms, applied_by)
  values (end_migration.schema_name, end_migration.version, end_migration.file, end_migration.sha256,
          (extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000)::integer, end_migration.applied_by);
end
$fn$;

revoke execute on all functions in schema partywall from public;
