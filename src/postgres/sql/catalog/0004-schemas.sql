-- Schemas of tenants' own, and those made in advance. What partywall.databases is for tenants with a database of their own.
-- Run as partywall_owner, in the catalog's database alone.

create table partywall.schemas (
  database_name text collate "C" not null,
  schema_name text collate "C" not null,
  tenant_id uuid,
  version text collate "C",
  state text collate "C" not null default 'provisioning',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint schemas_pkey primary key (database_name, schema_name),
  constraint schemas_database_name_fkey foreign key (database_name) references partywall.databases (name),
  constraint schemas_schema_name_check check (schema_name ~ '^t_[0-9a-f]{24}$'),
  constraint schemas_state_check check (state in ('provisioning', 'stock', 'ready', 'dropping')),
  constraint schemas_version_check check (version ~ '^[0-9]{4}$')
);
create unique index schemas_tenant_id_idx on partywall.schemas (tenant_id) where tenant_id is not null;
comment on table partywall.schemas is
  'Schemas of tenants'' own, by the database that holds them. Without a tenant: made in advance. Written by partywall_owner, read by partywall_gatekeeper.';
comment on column partywall.schemas.version is 'The newest migration in a schema that waits for its tenant; then tenants.version has it.';

create trigger schemas_count_change before update on partywall.schemas for each row execute function partywall.count_fleet_change();

-- A database that is gone cannot leave the list while its tenant's row names it. It goes with that row, and with it the server
-- that was made for this tenant and has been given up.
create function partywall.forget_dropped_database() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  delete from partywall.databases as d where d.tenant_id = old.id and d.state = 'dropping';
  delete from partywall.servers as s
   where s.provisioned ->> 'tenantId' = old.id::text
     and s.state = 'retired'
     and not exists (select from partywall.databases as d where d.server_name = s.name);
  return null;
end
$fn$;
create trigger tenants_forget_dropped_database after delete on partywall.tenants
  for each row execute function partywall.forget_dropped_database();
revoke execute on function partywall.forget_dropped_database() from public;

grant select on partywall.schemas to partywall_gatekeeper;
