-- Moves: tenants on their way from one placement to another. Run as partywall_owner, in the catalog's database alone.
-- A row here and the tenant's own row are what decides where a tenant is; everything else follows them.

create table partywall.moves (
  id uuid not null,
  tenant_id uuid not null,
  state text collate "C" not null default 'planned',
  serving text collate "C" not null default 'source',
  generation integer not null default 1,
  source jsonb not null,
  target jsonb not null,
  wish text collate "C",
  options jsonb not null default '{}',
  notes jsonb not null default '{}',
  fence bigint not null,
  fence_until timestamptz,
  verified_at timestamptz,
  pause_ms double precision,
  problem jsonb,
  actor_kind text collate "C" not null,
  actor_id text not null,
  reason text not null,
  owner bigint,
  owned_until timestamptz,
  attempt integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint moves_pkey primary key (id),
  constraint moves_state_check check (
    state in ('planned', 'copying', 'following', 'fencing', 'switched', 'turning', 'finishing', 'done', 'cancelling', 'cancelled')
  ),
  constraint moves_serving_check check (serving in ('source', 'target')),
  constraint moves_wish_check check (wish in ('verify', 'switch', 'reverse', 'complete', 'cancel')),
  constraint moves_fence_check check ((fence_until is not null) = (state = 'fencing')),
  constraint moves_finished_check check ((finished_at is not null) = (state in ('done', 'cancelled'))),
  constraint moves_actor_check check (actor_kind in ('user', 'service', 'staff', 'system') and length(actor_id) <= 1000),
  constraint moves_reason_check check (length(reason) <= 1000),
  constraint moves_json_check check (
    jsonb_typeof(source) = 'object' and jsonb_typeof(target) = 'object' and jsonb_typeof(options) = 'object' and jsonb_typeof(notes) = 'object'
  )
);
create unique index moves_open_key on partywall.moves (tenant_id) where state not in ('done', 'cancelled');
create index moves_tenant_id_idx on partywall.moves (tenant_id, id);
create index moves_due_idx on partywall.moves (due_at) where state not in ('done', 'cancelled');
comment on table partywall.moves is
  'Moves and how far they have come. Written by partywall_owner alone (through the migrator''s login), read by partywall_gatekeeper. The tenant may be gone, so there is no foreign key.';
comment on column partywall.moves.serving is 'Which of the two places serves the tenant now. It changes in one transaction with the tenant''s own row: that is the switch.';
comment on column partywall.moves.generation is 'Grows with each switch: replication of each direction has names of its own.';
comment on column partywall.moves.wish is 'What is asked of the move next, until it is done or refused.';
comment on column partywall.moves.notes is 'What steps left for later ones, and what is shown: names, counts, progress, findings.';
comment on column partywall.moves.fence is 'Grows with each fence, over all moves of the tenant. A fence that was given up is never committed.';
comment on column partywall.moves.fence_until is 'From when on anybody may give the fence up (partywall.expire_fence), by this database''s clock.';
comment on column partywall.moves.owner is
  'The session lock (pg_locks, advisory) that the process working on it holds. When nobody holds it, the process is dead, and any other may go on at once.';
comment on column partywall.moves.owned_until is 'Until when the owner is taken to be alive even so: a process may hang.';
comment on column partywall.moves.due_at is 'When there is something to do next.';

-- Is the process that holds this session lock alive?
create function partywall.is_mover_alive(owner bigint) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return exists (
  select from pg_locks as l
   where l.locktype = 'advisory' and l.granted and l.objsubid = 1
     and l.database = (select d.oid from pg_database as d where d.datname = current_database())
     and ((l.classid::bigint << 32) | l.objid::bigint) = is_mover_alive.owner
);

-- Gives up a fence that is past its deadline: the move goes back to following, and cannot be committed by whoever held it.
-- @returns the number of the last fence that was given up, so that the gate may be reopened; null while one may still be committed,
-- or has been, and the place that was left is not closed for good yet.
create function partywall.expire_fence(tenant_id uuid) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  move record;
begin
  select m.id, m.state, m.fence, m.fence_until <= clock_timestamp() as is_overdue into move
    from partywall.moves as m
   where m.tenant_id = expire_fence.tenant_id
   order by m.fence desc
   limit 1
     for update;
  if move.id is null or move.state in ('switched', 'turning') or (move.state = 'fencing' and not move.is_overdue) then
    return null;
  end if;
  if move.state = 'fencing' then
    update partywall.moves as m
       set state = 'following', fence_until = null, updated_at = clock_timestamp(), due_at = clock_timestamp()
     where m.id = move.id;
  end if;
  return move.fence;
end
$fn$;

-- Operations and moves of a tenant meet at the tenant's row. Closing a tenant waits for the moment of a switch alone, and for whole moves
-- what makes, changes or removes its place.
create function partywall.wait_for_move() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
declare
  move record;
begin
  perform from partywall.tenants as t where t.id = new.tenant_id for update;
  select m.id, m.state into move from partywall.moves as m where m.tenant_id = new.tenant_id and m.state not in ('done', 'cancelled');
  if move.id is null then
    return new;
  end if;
  if move.state in ('fencing', 'switched') then
    raise exception using errcode = 'PW013', message = 'the tenant is being switched from one place to another';
  end if;
  if new.kind not in ('rename', 'change-plan', 'suspend', 'resume') then
    raise exception using errcode = 'PW014', message = format('the tenant is being moved (%s)', move.id);
  end if;
  return new;
end
$fn$;
create trigger operations_wait_for_move before insert on partywall.operations
  for each row execute function partywall.wait_for_move();

-- A move begins when nothing else is being done to the tenant, and its places are not being migrated.
create function partywall.check_move() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
declare
  other record;
begin
  if tg_op = 'INSERT' then
    -- Whoever is claiming places for a migration at this moment, or migrates shared tables, is waited for, and seen below.
    perform pg_advisory_xact_lock(7305804409);
  end if;
  perform from partywall.tenants as t where t.id = new.tenant_id for update;
  select o.id, o.kind into other from partywall.operations as o
   where o.tenant_id = new.tenant_id and o.state in ('running', 'waiting', 'failed');
  if other.id is not null then
    raise exception using errcode = 'PW014', message = format('the operation %s (%s) of the tenant is not over', other.kind, other.id);
  end if;
  if tg_op = 'INSERT' then
    select m.database_name, m.schema_name into other from partywall.migration_targets as m
     where m.state = 'running' and m.claimed_until > clock_timestamp()
       and m.database_name in (new.source ->> 'database', new.target ->> 'database');
    if found then
      raise exception using errcode = 'PW013', message = format('%s in %s is being migrated', other.schema_name, other.database_name);
    end if;
  end if;
  return new;
end
$fn$;
create trigger moves_check before insert on partywall.moves for each row execute function partywall.check_move();
create trigger moves_check_fence before update of state on partywall.moves
  for each row when (new.state = 'fencing' and old.state <> 'fencing') execute function partywall.check_move();

-- Tables of a place that rows are being copied from or to keep their shape.
create view partywall.moving_places as
select m.id as move_id, m.tenant_id, p.place ->> 'database' as database_name, p.place ->> 'schema' as schema_name
  from partywall.moves as m
 cross join lateral (values (m.source), (m.target)) as p (place)
 where m.state not in ('done', 'cancelled');
comment on view partywall.moving_places is 'Places that are not migrated now, and the moves for which they wait. Read by partywall_gatekeeper.';

revoke execute on function partywall.is_mover_alive(bigint), partywall.expire_fence(uuid), partywall.wait_for_move(), partywall.check_move() from public;
grant execute on function partywall.expire_fence(uuid) to partywall_gatekeeper;
grant select on partywall.moves, partywall.moving_places to partywall_gatekeeper;
grant select on partywall.moving_places to partywall_doctor;
grant select (id, tenant_id, state, serving, generation, source, target, wish, fence, fence_until, verified_at, owned_until, attempt, due_at,
              created_at, updated_at, finished_at)
  on partywall.moves to partywall_doctor;
