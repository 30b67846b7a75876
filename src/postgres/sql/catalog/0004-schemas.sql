-- Schemas of tenants' own, and those made in advance. What partywall.databases is for tenants with a database of their own.
-- Run as partywall_owner, in the catalog's database alone.

create table partywall.schemas (
  database_name text collate "C" not null,
  schema_name text collate "C" not null,
  tenant_id uuid,
  version text collate "C",
  state text collate "C" not null default 'provisioning',
  move_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint schemas_pkey primary key (database_name, schema_name),
  constraint schemas_database_name_fkey foreign key (database_name) references partywall.databases (name),
  constraint schemas_schema_name_check check (schema_name ~ '^t_[0-9a-f]{24}$'),
  constraint schemas_state_check check (state in ('provisioning', 'stock', 'ready', 'dropping')),
  constraint schemas_move_id_check check (move_id is null or tenant_id is not null),
  constraint schemas_version_check check (version ~ '^[0-9]{4}$')
);
create unique index schemas_tenant_id_idx on partywall.schemas (tenant_id) where tenant_id is not null and move_id is null;
create index schemas_move_id_idx on partywall.schemas (move_id) where move_id is not null;
comment on table partywall.schemas is
  'Schemas of tenants'' own, by the database that holds them. Without a tenant: made in advance. Written by partywall_owner, read by partywall_gatekeeper.';
comment on column partywall.schemas.version is
  'The newest migration in a schema that waits for its tenant, or for the end of a move; otherwise tenants.version has it.';
comment on column partywall.schemas.move_id is
  'The move for which the schema is kept: that of its tenant which does not serve, not yet or no more. Null for the one that does.';

-- The same in shared tables, where nothing is made for a tenant: so that their room is not given away while it moves.
create table partywall.pooled_reservations (
  move_id uuid not null,
  database_name text collate "C" not null,
  tenant_id uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint pooled_reservations_pkey primary key (move_id, database_name),
  constraint pooled_reservations_database_name_fkey foreign key (database_name) references partywall.databases (name)
);
create index pooled_reservations_database_name_idx on partywall.pooled_reservations (database_name);
comment on table partywall.pooled_reservations is
  'Places in shared tables of tenants that move: those which do not serve, not yet or no more. Written by partywall_owner, read by partywall_gatekeeper.';

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

-- Whose rows are in a database, or are about to be.
create function partywall.residents_of(database_name text) returns table (tenant_id uuid)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
  select t.id from partywall.tenants as t where t.database_name = residents_of.database_name
  union
  select d.tenant_id from partywall.databases as d where d.name = residents_of.database_name and d.tenant_id is not null
  union
  select o.tenant_id from partywall.schemas as o where o.database_name = residents_of.database_name and o.tenant_id is not null
  union
  select p.tenant_id from partywall.pooled_reservations as p where p.database_name = residents_of.database_name;
end;
revoke execute on function partywall.residents_of(text) from public;

grant select on partywall.schemas, partywall.pooled_reservations to partywall_gatekeeper, partywall_doctor;
