-- The fleet: servers, their replicas, and the databases on them that hold tenants.
-- Run as partywall_owner, in the catalog's database alone. The gatekeeper reads it; the app has no privilege on anything here.
-- No secret is in it: passwords are in the secret store, under the names that are given here.

create table partywall.servers (
  name text collate "C" not null,
  region text collate "C" not null default 'default',
  host text,
  port integer,
  admin_login text collate "C",
  labels jsonb not null default '{}',
  tenants_max integer,
  state text collate "C" not null default 'active',
  provisioner text collate "C" not null default 'inventory',
  provisioned jsonb,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint servers_pkey primary key (name),
  constraint servers_name_check check (name ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint servers_region_check check (region ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint servers_address_check check ((host is null) = (port is null) and (host is not null or name = 'main')),
  constraint servers_port_check check (port between 1 and 65535),
  constraint servers_labels_check check (jsonb_typeof(labels) = 'object' and octet_length(labels::text) <= 16384),
  constraint servers_tenants_max_check check (tenants_max >= 0),
  constraint servers_state_check check (state in ('provisioning', 'active', 'draining', 'retired')),
  constraint servers_provisioner_check check (provisioner ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$')
);
comment on table partywall.servers is
  'PostgreSQL servers that hold tenants. `main` is the catalog''s own: its address is that of the application''s settings. Written by partywall_owner, read by partywall_gatekeeper.';
comment on column partywall.servers.tenants_max is 'How many tenants may have a database of their own on it; null for any number.';
comment on column partywall.servers.provisioned is 'Whose the server is, if it is one tenant''s own, and what its provisioner said and needs to destroy it. Null otherwise.';

create table partywall.replicas (
  server_name text collate "C" not null,
  name text collate "C" not null,
  region text collate "C" not null,
  host text not null,
  port integer not null,
  state text collate "C" not null default 'active',
  constraint replicas_pkey primary key (server_name, name),
  constraint replicas_server_name_fkey foreign key (server_name) references partywall.servers (name) on delete cascade,
  constraint replicas_name_check check (name ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint replicas_port_check check (port between 1 and 65535),
  constraint replicas_state_check check (state in ('active', 'draining'))
);
comment on table partywall.replicas is
  'Read replicas of servers. Written by partywall_owner, read by partywall_gatekeeper.';

create table partywall.databases (
  name text collate "C" not null,
  server_name text collate "C" not null,
  database_name text collate "C" not null,
  holds text collate "C" not null,
  tenant_id uuid,
  login text collate "C",
  secret_name text collate "C",
  tenants_max integer,
  version text collate "C",
  state text collate "C" not null default 'provisioning',
  mark uuid not null default gen_random_uuid(),
  move_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint databases_pkey primary key (name),
  constraint databases_server_name_fkey foreign key (server_name) references partywall.servers (name),
  constraint databases_database_name_key unique (server_name, database_name),
  constraint databases_name_check check (name ~ '^[a-z]([a-z0-9_]|-(?=[a-z0-9])){0,62}$'),
  constraint databases_database_name_check check (octet_length(database_name) between 1 and 63),
  constraint databases_holds_check check (holds in ('pooled', 'schema', 'tenant')),
  constraint databases_tenant_id_check check (tenant_id is null or holds = 'tenant'),
  constraint databases_move_id_check check (move_id is null or tenant_id is not null),
  constraint databases_login_check check ((login is null) = (secret_name is null) and (login is not null) = (holds = 'tenant')),
  constraint databases_state_check check (state in ('provisioning', 'stock', 'ready', 'draining', 'dropping')),
  constraint databases_version_check check (version ~ '^[0-9]{4}$')
);
-- A tenant has one place, and while it moves a second one, which is the move's.
create unique index databases_tenant_id_idx on partywall.databases (tenant_id) where tenant_id is not null and move_id is null;
create index databases_move_id_idx on partywall.databases (move_id) where move_id is not null;
create index databases_server_name_idx on partywall.databases (server_name);
comment on table partywall.databases is
  'Databases that hold tenants: `pooled` (shared tables), `schema` (a schema for each tenant) or one `tenant` alone, with a login of its own. `main` is the catalog''s. Written by partywall_owner, read by partywall_gatekeeper.';
comment on column partywall.databases.version is 'The newest migration of the application there; of schema tenants each has its own, in tenants.version.';
comment on column partywall.databases.state is '`stock`: made in advance, waiting for its tenant.';
comment on column partywall.databases.move_id is
  'The move for which the database is kept: that of its tenant which does not serve, not yet or no more. Null for the one that does.';
comment on column partywall.databases.mark is
  'The server''s own note that the login, and so the database, was made for this row: what has the name but not the mark is somebody else''s, and is left alone.';

insert into partywall.servers (name) values ('main');
insert into partywall.databases (name, server_name, database_name, holds, state) values ('main', 'main', current_database(), 'pooled', 'ready');

create function partywall.count_fleet_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  new.updated_at := clock_timestamp();
  return new;
end
$fn$;
create trigger servers_count_change before update on partywall.servers for each row execute function partywall.count_fleet_change();
create trigger databases_count_change before update on partywall.databases for each row execute function partywall.count_fleet_change();
revoke execute on function partywall.count_fleet_change() from public;

-- What remains of a tenant that was purged: enough to keep its id and its name from coming back, and no more.
create table partywall.tombstones (
  tenant_id uuid not null,
  slug_sha256 bytea not null,
  purged_at timestamptz not null default clock_timestamp(),
  certificate_sha256 bytea,
  constraint tombstones_pkey primary key (tenant_id),
  constraint tombstones_slug_sha256_check check (octet_length(slug_sha256) = 32)
);
create index tombstones_slug_sha256_idx on partywall.tombstones (slug_sha256);
comment on table partywall.tombstones is
  'Tenants that are gone. Their ids and names are refused for ever: whatever was keyed by them must not find a new owner. Written by partywall_owner.';

grant select on partywall.servers, partywall.replicas, partywall.databases, partywall.tombstones to partywall_gatekeeper;
-- The doctor compares the list with what is there. Names of secrets, and what a provisioner needs to destroy a server, are not its business.
grant select (name, region, host, port, admin_login, labels, tenants_max, state, provisioner, created_at, updated_at) on partywall.servers
  to partywall_doctor;
grant select on partywall.replicas to partywall_doctor;
grant select (name, server_name, database_name, holds, tenant_id, login, tenants_max, version, state, mark, move_id, created_at, updated_at)
  on partywall.databases to partywall_doctor;
