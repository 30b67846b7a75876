-- The catalog: which tenants there are, and the audit trail.
-- Run as partywall_owner. The gatekeeper reads tenants and appends to the trail; the app has no privilege on anything here.

create table partywall.tenants (
  id uuid not null default partywall.uuidv7(),
  slug text collate "C" not null,
  name text not null,
  plan text collate "C" not null default 'free',
  region text collate "C" not null default 'default',
  isolation text collate "C" not null default 'pooled',
  database_name text collate "C" not null default 'main',
  schema_name text collate "C" not null default 'app',
  version text collate "C",
  parent_id uuid,
  status text collate "C" not null default 'active',
  features jsonb not null default '{}',
  settings jsonb not null default '{}',
  encryption_key_id text,
  key_bigint bigint,
  key_text text collate "C",
  epoch bigint not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  changed_xid xid8 not null default pg_current_xact_id(),
  constraint tenants_pkey primary key (id),
  constraint tenants_slug_key unique (slug),
  constraint tenants_key_bigint_key unique (key_bigint),
  constraint tenants_key_text_key unique (key_text),
  constraint tenants_key_text_check check (length(key_text) between 1 and 200),
  constraint tenants_slug_check check (slug ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$' and slug !~ '^pg-'),
  constraint tenants_name_check check (length(name) between 1 and 200 and btrim(name) <> ''),
  constraint tenants_plan_check check (plan ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint tenants_region_check check (region ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint tenants_isolation_check check (isolation in ('pooled', 'schema', 'database', 'server')),
  constraint tenants_status_check check (status in ('onboarding', 'active', 'suspended', 'offboarding')),
  constraint tenants_database_name_fkey foreign key (database_name) references partywall.databases (name),
  constraint tenants_schema_name_check check (schema_name = case when isolation = 'schema' then schema_name else 'app' end and schema_name ~ '^(app|t_[0-9a-f]{24})$'),
  constraint tenants_version_check check (version ~ '^[0-9]{4}$'),
  constraint tenants_parent_id_fkey foreign key (parent_id) references partywall.tenants (id),
  constraint tenants_features_check check (jsonb_typeof(features) = 'object' and octet_length(features::text) <= 524288),
  constraint tenants_settings_check check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 524288),
  constraint tenants_encryption_key_id_check check (length(encryption_key_id) between 1 and 200),
  constraint tenants_epoch_check check (epoch >= 1)
);
create unique index tenants_own_schema_idx on partywall.tenants (schema_name) where schema_name <> 'app';
create index tenants_database_name_idx on partywall.tenants (database_name);
create index tenants_parent_id_idx on partywall.tenants (parent_id) where parent_id is not null;
create index tenants_changed_xid_idx on partywall.tenants (changed_xid);
comment on table partywall.tenants is
  'One row per tenant. Written by partywall_owner alone (through the migrator''s login), read by partywall_gatekeeper. The app may not touch it. A change of the status changes the gate in the same transaction; every change increments the epoch.';
comment on column partywall.tenants.changed_xid is
  'The transaction of the latest change: a watcher asks for what is not older than the horizon of its last look, so that a late commit is never missed.';

create table partywall.tenant_domains (
  domain text collate "C" not null,
  tenant_id uuid not null,
  constraint tenant_domains_pkey primary key (domain),
  constraint tenant_domains_tenant_id_fkey foreign key (tenant_id) references partywall.tenants (id) on delete cascade,
  constraint tenant_domains_domain_check check (length(domain) <= 253 and domain ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);
create index tenant_domains_tenant_id_idx on partywall.tenant_domains (tenant_id);
comment on table partywall.tenant_domains is
  'Host names of tenants'' own. Written by partywall_owner alone, together with the tenant''s row; read by partywall_gatekeeper. The app may not touch it.';

-- Nobody has to remember to count: an operator's UPDATE in psql counts too.
create function partywall.count_tenant_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  new.id := old.id;
  new.created_at := old.created_at;
  new.epoch := old.epoch + 1;
  new.updated_at := clock_timestamp();
  new.changed_xid := pg_current_xact_id();
  return new;
end
$fn$;
create trigger tenants_count_change before update on partywall.tenants
  for each row execute function partywall.count_tenant_change();

comment on column partywall.tenants.database_name is 'Where the tenant''s rows are: a row of partywall.databases.';
comment on column partywall.tenants.schema_name is 'The schema of its tables: app, or one that is its own.';
comment on column partywall.tenants.version is 'The newest migration in a schema of its own; otherwise the database has the version.';
comment on column partywall.tenants.parent_id is 'The tenant above it, if any. There are no cycles.';

-- A tenant's rows are in its region, and in a database that holds its kind. The names of those who are gone do not come back.
create function partywall.check_tenant() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
declare
  place record;
begin
  select d.holds, d.tenant_id, d.move_id, s.region, s.name into place
    from partywall.databases as d
    join partywall.servers as s on s.name = d.server_name
   where d.name = new.database_name;
  if place.region <> new.region then
    raise exception using errcode = 'PW011', message = format('the tenant''s region is %s, and the server %s is in %s', new.region, place.name, place.region);
  end if;
  if place.holds <> (case new.isolation when 'pooled' then 'pooled' when 'schema' then 'schema' else 'tenant' end)
    or (place.holds = 'tenant' and (place.tenant_id is distinct from new.id or place.move_id is not null))
    or (place.holds = 'schema') <> (new.schema_name <> 'app') then
    raise exception using errcode = '23514', schema = 'partywall', table = 'tenants', constraint = 'tenants_placement_check',
      message = format('the database %s does not hold a tenant of isolation %s', new.database_name, new.isolation);
  end if;
  if new.parent_id is not null and (tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id) then
    -- One at a time: two changes, each good by itself, could close a circle together.
    perform pg_advisory_xact_lock(7305804404);
    if exists (
      with recursive above as (
        select new.parent_id as id
        union
        select t.parent_id from above join partywall.tenants as t on t.id = above.id where t.parent_id is not null
      )
      select from above where above.id = new.id
    ) then
      raise exception using errcode = '23514', schema = 'partywall', table = 'tenants', constraint = 'tenants_parent_check',
        message = 'a tenant cannot be above itself';
    end if;
  end if;
  if (tg_op = 'INSERT' or new.slug <> old.slug) and exists (
    select from partywall.tombstones as gone
     where gone.tenant_id = new.id or gone.slug_sha256 = sha256(convert_to(new.slug, 'UTF8'))
  ) then
    raise exception using errcode = '23505', schema = 'partywall', table = 'tenants', constraint = 'tombstones_key',
      message = 'the id or the name was that of a tenant that is gone';
  end if;
  return new;
end
$fn$;
create trigger tenants_check before insert or update of id, slug, region, isolation, database_name, schema_name, parent_id on partywall.tenants
  for each row execute function partywall.check_tenant();
revoke execute on function partywall.check_tenant() from public;

-- Nor may the region change under those who live there, or are about to: neither that of a server, nor by a database being said to be
-- elsewhere.
create function partywall.check_residents() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
declare
  stranger record;
begin
  -- Who is being placed at this moment is waited for, and seen.
  lock table partywall.tenants in share row exclusive mode;
  if tg_table_name = 'servers' then
    select t.slug, t.region into stranger
      from partywall.databases as d
      join partywall.tenants as t on t.id in (select r.tenant_id from partywall.residents_of(d.name) as r)
     where d.server_name = new.name and t.region <> new.region
     limit 1;
  else
    select t.slug, t.region into stranger
      from partywall.tenants as t
      join partywall.servers as s on s.name = new.server_name
     where t.id in (select r.tenant_id from partywall.residents_of(new.name) as r) and t.region <> s.region
     limit 1;
  end if;
  if found then
    raise exception using errcode = 'PW011', message = format('the tenant %s, who lives there, is of the region %s', stranger.slug, stranger.region);
  end if;
  return new;
end
$fn$;
create trigger servers_check_residents before update of region on partywall.servers
  for each row when (old.region is distinct from new.region) execute function partywall.check_residents();
create trigger databases_check_residents before update of server_name on partywall.databases
  for each row when (old.server_name is distinct from new.server_name) execute function partywall.check_residents();
revoke execute on function partywall.check_residents() from public;

-- The gate follows the status in the same transaction, so that the database refuses at once, whatever any cache says.
-- This is the gate in the catalog's database. A tenant that lives elsewhere has its own gate there, and is refused here.
-- One that moves is let in by the mover, after it has been shut out where it was: the switch itself opens no gate.
create function partywall.follow_tenant_status() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  if tg_op = 'UPDATE' and old.database_name <> new.database_name
    and exists (select from partywall.moves as m where m.tenant_id = new.id and m.finished_at is null) then
    return null;
  end if;
  perform partywall.set_gate(new.id,
    case when new.database_name <> 'main' then 'moved' when new.status = 'active' then 'open' else 'suspended' end);
  return null;
end
$fn$;
create trigger tenants_open_gate after insert on partywall.tenants
  for each row execute function partywall.follow_tenant_status();
create trigger tenants_follow_status after update on partywall.tenants
  for each row when (old.status is distinct from new.status or old.database_name is distinct from new.database_name) execute function partywall.follow_tenant_status();

-- The keys follow too, after the gate is there (triggers fire in the order of their names). They are set once: set_gate_keys() refuses.
create function partywall.follow_tenant_keys() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  perform partywall.set_gate_keys(new.id, new.key_bigint, new.key_text);
  return null;
end
$fn$;
create trigger tenants_set_keys after insert on partywall.tenants
  for each row when (new.key_bigint is not null or new.key_text is not null) execute function partywall.follow_tenant_keys();
create trigger tenants_follow_keys after update on partywall.tenants
  for each row when (old.key_bigint is distinct from new.key_bigint or old.key_text is distinct from new.key_text)
  execute function partywall.follow_tenant_keys();
comment on column partywall.tenants.key_bigint is
  'The tenant in tables whose tenant column is bigint: its id in an application that existed before. Set once.';
comment on column partywall.tenants.key_text is
  'The tenant in tables whose tenant column is text collate "C". Compared byte for byte. Set once.';

-- A wake-up and no more: anybody may listen, and anybody may send one. What changed is read from the table.
create function partywall.announce_tenant_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  perform pg_notify('partywall_catalog', '');
  return null;
end
$fn$;
create trigger tenants_announce after insert or update or delete on partywall.tenants
  for each statement execute function partywall.announce_tenant_change();

grant select on partywall.tenants, partywall.tenant_domains to partywall_gatekeeper;
grant select (id, slug, plan, region, isolation, database_name, schema_name, version, parent_id, status, encryption_key_id, key_bigint, key_text,
              epoch, created_at, updated_at)
  on partywall.tenants to partywall_doctor;
grant select on partywall.tenant_domains to partywall_doctor;

create table partywall.audit_trail (
  position bigint not null generated always as identity,
  occurred_at timestamptz not null default clock_timestamp(),
  action text collate "C" not null,
  outcome text collate "C" not null,
  actor_kind text collate "C",
  actor_id text,
  tenant_id uuid,
  request_id text,
  reason text,
  details jsonb,
  recorded_by name not null,
  constraint audit_trail_pkey primary key (position),
  constraint audit_trail_action_check check (length(action) <= 100 and action ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$'),
  constraint audit_trail_outcome_check check (outcome in ('allowed', 'refused')),
  constraint audit_trail_actor_check check (
    (actor_kind is null and actor_id is null)
    or (actor_kind in ('user', 'service', 'staff', 'system') and length(actor_id) <= 1000)
  ),
  constraint audit_trail_request_id_check check (length(request_id) <= 1000),
  constraint audit_trail_reason_check check (length(reason) <= 1000),
  constraint audit_trail_details_check check (jsonb_typeof(details) = 'object' and octet_length(details::text) <= 131072)
);
create index audit_trail_tenant_id_idx on partywall.audit_trail (tenant_id, position);
comment on table partywall.audit_trail is
  'Append-only, through partywall.record_audit() alone. partywall_gatekeeper may append and not read; partywall_owner may read; nobody may change or delete a row. The tenant may be gone, so there is no foreign key.';

create function partywall.refuse_audit_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  raise exception using errcode = '42501', message = 'the audit trail is append-only';
end
$fn$;
create trigger audit_trail_append_only before update or delete or truncate on partywall.audit_trail
  for each statement execute function partywall.refuse_audit_change();

create function partywall.record_audit(
  action text, outcome text, actor_kind text, actor_id text, tenant_id uuid, request_id text, reason text, details jsonb
) returns void
language sql volatile security definer
begin atomic
  insert into partywall.audit_trail (action, outcome, actor_kind, actor_id, tenant_id, request_id, reason, details, recorded_by)
  values (
    record_audit.action, record_audit.outcome, record_audit.actor_kind, record_audit.actor_id, record_audit.tenant_id,
    record_audit.request_id, record_audit.reason, record_audit.details, session_user
  );
end;
comment on function partywall.record_audit(text, text, text, text, uuid, text, text, jsonb) is
  'Appends one event to the audit trail. The login is recorded by the database itself.';
revoke execute on function partywall.record_audit(text, text, text, text, uuid, text, text, jsonb) from public;
revoke execute on function
  partywall.count_tenant_change(), partywall.follow_tenant_status(), partywall.follow_tenant_keys(), partywall.announce_tenant_change(), partywall.refuse_audit_change()
  from public;
grant execute on function partywall.record_audit(text, text, text, text, uuid, text, text, jsonb) to partywall_gatekeeper;
