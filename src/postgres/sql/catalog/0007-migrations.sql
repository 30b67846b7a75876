-- Migrations over the fleet: runs, and how far each has come with each place. Run as partywall_owner, in the catalog's database alone.
-- What a place has been through, its own database knows (partywall.ledger). Here is what was seen of it last, for all places at once.

-- Where tables of the application are: databases with the shared schema, and schemas of tenants' own. Those that wait for a tenant too.
-- What is being made, or dropped, is not here: whoever makes it brings it to the newest version. Nor is the place of a moving tenant
-- that does not serve: the move keeps both at one version, and what is left of it in the end is the place that serves.
create view partywall.places as
select 'database'::text collate "C" as kind, d.name as database_name, 'app'::text collate "C" as schema_name, d.server_name, d.tenant_id,
       case when d.holds = 'pooled' then 'pooled' when s.tenants_max = 1 then 'server' else 'database' end collate "C" as isolation,
       d.holds = 'tenant' and d.tenant_id is null as is_stock, d.version
  from partywall.databases as d
  join partywall.servers as s on s.name = d.server_name
 where d.holds in ('pooled', 'tenant') and d.state in ('ready', 'stock', 'draining') and d.move_id is null
 union all
select 'schema', t.database_name, t.schema_name, d.server_name, t.id, 'schema', false, t.version
  from partywall.tenants as t
  join partywall.databases as d on d.name = t.database_name
 where t.isolation = 'schema'
 union all
select 'schema', o.database_name, o.schema_name, d.server_name, null, 'schema', true, o.version
  from partywall.schemas as o
  join partywall.databases as d on d.name = o.database_name
 where o.tenant_id is null and o.state = 'stock';
comment on view partywall.places is 'Every place that is migrated, with the version that was seen there last. Read by partywall_gatekeeper.';

create table partywall.migration_runs (
  id uuid not null default partywall.uuidv7(),
  version text collate "C" not null,
  files jsonb not null,
  rings jsonb not null,
  budget jsonb not null,
  state text collate "C" not null default 'running',
  reason text,
  actor_kind text collate "C" not null,
  actor_id text not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint migration_runs_pkey primary key (id),
  constraint migration_runs_version_check check (version ~ '^[0-9]{4}$'),
  constraint migration_runs_files_check check (jsonb_typeof(files) = 'array'),
  constraint migration_runs_rings_check check (jsonb_typeof(rings) = 'array'),
  constraint migration_runs_budget_check check (jsonb_typeof(budget) = 'object'),
  constraint migration_runs_state_check check (state in ('running', 'paused', 'halted', 'aborted', 'done')),
  constraint migration_runs_reason_check check (length(reason) <= 1000),
  constraint migration_runs_finished_check check ((finished_at is not null) = (state in ('aborted', 'done'))),
  constraint migration_runs_actor_check check (actor_kind in ('user', 'service', 'staff', 'system') and length(actor_id) <= 1000)
);
-- One at a time: whoever starts another while one is open goes on with it, or is refused.
create unique index migration_runs_open_key on partywall.migration_runs ((true)) where state in ('running', 'paused', 'halted');
comment on table partywall.migration_runs is
  'Migrations of the fleet to one version. Written by partywall_owner alone (through the migrator''s login), read by partywall_gatekeeper.';
comment on column partywall.migration_runs.files is 'The set it was planned with, up to the version: [{"version", "file", "sha256"}]. It goes on with no other.';
comment on column partywall.migration_runs.rings is 'In their order: who is migrated before whom. The last one, `rest`, has everybody else.';
comment on column partywall.migration_runs.budget is 'How many may fail: {"failuresMax"} of all, or {"failuresPercentMax"} of a ring.';

create table partywall.migration_targets (
  run_id uuid not null,
  position integer not null,
  ring integer not null,
  kind text collate "C" not null,
  database_name text collate "C" not null,
  schema_name text collate "C" not null,
  tenant_id uuid,
  from_version text collate "C",
  version text collate "C",
  state text collate "C" not null default 'pending',
  attempts integer not null default 0,
  error jsonb,
  due_at timestamptz not null default clock_timestamp(),
  waits_since timestamptz,
  claimed_by text collate "C",
  claimed_until timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  constraint migration_targets_pkey primary key (run_id, position),
  constraint migration_targets_place_key unique (run_id, database_name, schema_name),
  constraint migration_targets_run_id_fkey foreign key (run_id) references partywall.migration_runs (id) on delete cascade,
  constraint migration_targets_kind_check check (kind in ('database', 'schema')),
  constraint migration_targets_state_check check (state in ('pending', 'running', 'done', 'failed', 'skipped')),
  constraint migration_targets_claimed_check check ((state = 'running') = (claimed_by is not null and claimed_until is not null))
);
create index migration_targets_open_idx on partywall.migration_targets (run_id, ring, position) where state in ('pending', 'running');
create index migration_targets_failed_idx on partywall.migration_targets (run_id, ring) where state = 'failed';
create index migration_targets_tenant_id_idx on partywall.migration_targets (tenant_id) where state = 'running';
comment on table partywall.migration_targets is
  'Places that a run has to bring to its version, and how far it is with each. Written by partywall_owner alone, read by partywall_gatekeeper. The place may be gone, so there is no foreign key to it.';
comment on column partywall.migration_targets.position is 'The order of work: by ring, then by database, so that one round trip does many schemas.';
comment on column partywall.migration_targets.error is 'Why it failed, was skipped, or waits: {"code", "message"}.';
comment on column partywall.migration_targets.due_at is 'Not before: it collided with a lock, or waits for an operation of its tenant.';
comment on column partywall.migration_targets.claimed_until is 'Until when the runner is taken to be alive. After it any runner takes the place over; the ledger there knows what is done.';

-- An operation that makes or removes a tenant's tables waits for a migration of them. The tenant's row is the place where the two meet:
-- a runner locks it, looks for operations and claims; an operation locks it, looks for claims and begins.
create function partywall.wait_for_migration() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  perform from partywall.tenants as t where t.id = new.tenant_id for update;
  if exists (
    select from partywall.migration_targets as m
     where m.tenant_id = new.tenant_id and m.state = 'running' and m.claimed_until > clock_timestamp()
  ) then
    raise exception using errcode = 'PW013', message = 'the tenant''s tables are being migrated';
  end if;
  return new;
end
$fn$;
create trigger operations_wait_for_migration before insert on partywall.operations
  for each row when (new.kind not in ('rename', 'change-plan', 'suspend', 'resume')) execute function partywall.wait_for_migration();
revoke execute on function partywall.wait_for_migration() from public;

grant select on partywall.places, partywall.migration_runs, partywall.migration_targets to partywall_gatekeeper;
grant select on partywall.places to partywall_doctor;
grant select (id, version, state, created_at, updated_at, finished_at) on partywall.migration_runs to partywall_doctor;
grant select (run_id, position, kind, database_name, schema_name, tenant_id, from_version, version, state, attempts, due_at, updated_at)
  on partywall.migration_targets to partywall_doctor;
