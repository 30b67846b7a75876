-- What a move needs in the two databases between which a tenant moves. Run as partywall_owner; called by partywall_owner, but for
-- what is granted at the end.
--
--   open ── start_moving ──► moving ── announce_fence, close_gate ──► fenced ── retire_gate ──► moved
--     ▲                        │ ▲                                      │                         │
--     └───── stop_moving ──────┘ ├──────────── give_up_fence ───────────┘                         │
--                                └──────────────────────── open_gate ─────────────────────────────┘
--
-- A mover may be frozen in the middle and wake up when another has done its work. So each of these names its fence, a gate remembers the
-- greatest number that it has seen, and a lower one comes too late.
--
-- A gate that is suspended or read-only is fenced too, and goes back to what it was: nobody may open it while rows are being handed over.

-- Written at the place that serves, and replicated like any row: who sees it on the other side has everything from before it.
create table partywall.move_markers (
  move_id uuid not null,
  generation integer not null,
  fence bigint not null,
  written_at timestamptz not null default clock_timestamp(),
  constraint move_markers_pkey primary key (move_id, generation)
);
comment on table partywall.move_markers is
  'Of each move and direction the last fence. Published to the other side with the tenant''s rows. Written by partywall_owner, read by nobody else.';

-- From here on every write of the tenant takes a shared lock on its gate, but for transactions that are open already.
create function partywall.start_moving(tenant_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g set state = 'moving', moving_since = null, changed_at = clock_timestamp()
   where g.tenant_id = start_moving.tenant_id and g.state = 'open';
  update partywall.capabilities as c set state = 'moving' where c.tenant_id = start_moving.tenant_id and c.state = 'open';
end
$fn$;

-- In a transaction after that of start_moving(). @returns since when whoever begins sees that the tenant moves; null when it does not.
create function partywall.moving_since(tenant_id uuid) returns timestamptz
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  since timestamptz;
begin
  update partywall.gates as g set moving_since = clock_timestamp()
   where g.tenant_id = moving_since.tenant_id and g.moving_since is null and g.state <> 'open';
  select g.moving_since into since from partywall.gates as g where g.tenant_id = moving_since.tenant_id and g.state <> 'open';
  return since;
end
$fn$;

-- The gate of the place that a move is to fill: closed, and with a number that no earlier move of the tenant has. @returns whether it is.
create function partywall.claim_gate(tenant_id uuid, fence bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g
     set state = 'moved', fence = claim_gate.fence, moving_since = null, changed_at = clock_timestamp()
   where g.tenant_id = claim_gate.tenant_id and g.fence <= claim_gate.fence and g.state in ('suspended', 'moved');
  if not found then
    return false;
  end if;
  update partywall.capabilities as c set state = 'moved' where c.tenant_id = claim_gate.tenant_id and c.state <> 'moved';
  return true;
end
$fn$;

create function partywall.stop_moving(tenant_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g set state = 'open', moving_since = null, changed_at = clock_timestamp()
   where g.tenant_id = stop_moving.tenant_id and g.state = 'moving';
  if found then
    update partywall.capabilities as c set state = 'open' where c.tenant_id = stop_moving.tenant_id and c.state <> 'open';
  end if;
end
$fn$;

-- Asks new writes to wait, so that those in flight come to an end. In a transaction of its own, before close_gate().
create function partywall.announce_fence(tenant_id uuid, fence bigint) returns void
language sql volatile
begin atomic
  update partywall.capabilities as c
     set state = 'fenced'
    from partywall.gates as g
   where g.tenant_id = announce_fence.tenant_id
     and g.fence < announce_fence.fence
     and c.tenant_id = g.tenant_id
     and c.state = 'moving';
end;

-- Waits for the writes in flight, closes the gate and leaves the marker, in one transaction. The caller sets lock_timeout, and says since
-- when it knows all writes (moving_since): a gate that was open meanwhile may have let in one that nobody can wait for.
-- @returns the gate's state before, which is the one to go back to; null when the fence comes too late, or the gate was open meanwhile.
create function partywall.close_gate(
  tenant_id uuid, move_id uuid, generation integer, fence bigint, fenced_until timestamptz, moving_since timestamptz
) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  gate record;
begin
  select g.state, g.fence, g.resting_state, g.moving_since into gate
    from partywall.gates as g
   where g.tenant_id = close_gate.tenant_id
     for update;
  if gate.state is null
    or gate.fence >= close_gate.fence
    or gate.state not in ('moving', 'suspended', 'read_only', 'fenced')
    or gate.moving_since is distinct from close_gate.moving_since then
    return null;
  end if;
  update partywall.gates as g
     set state = 'fenced', fence = close_gate.fence, fenced_until = close_gate.fenced_until,
         resting_state = coalesce(gate.resting_state, gate.state), changed_at = clock_timestamp()
   where g.tenant_id = close_gate.tenant_id;
  -- Who reads here may do so until the deadline and no longer, by this server's own clock: after it the tenant may be elsewhere, even
  -- when nobody can reach this server to say so.
  update partywall.capabilities as c
     set state = 'fenced', expires_at = least(c.expires_at, close_gate.fenced_until)
   where c.tenant_id = close_gate.tenant_id;
  insert into partywall.move_markers as m (move_id, generation, fence)
  values (close_gate.move_id, close_gate.generation, close_gate.fence)
      on conflict on constraint move_markers_pkey do update set fence = excluded.fence, written_at = clock_timestamp();
  return coalesce(gate.resting_state, gate.state);
end
$fn$;

-- Gives a fence up: the gate goes back to what it was, and a fence of this number that comes later does nothing.
-- The catalog decides first that the fence is given up (partywall.expire_fence, or the mover), so that nothing can be committed behind it.
create function partywall.give_up_fence(tenant_id uuid, fence bigint) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  gate text;
begin
  update partywall.gates as g
     set state = coalesce(g.resting_state, g.state), fence = give_up_fence.fence, fenced_until = null, resting_state = null,
         changed_at = clock_timestamp()
   where g.tenant_id = give_up_fence.tenant_id and g.fence <= give_up_fence.fence;
  select g.state into gate from partywall.gates as g where g.tenant_id = give_up_fence.tenant_id;
  update partywall.capabilities as c set state = gate where c.tenant_id = give_up_fence.tenant_id and c.state <> gate;
  return gate;
end
$fn$;

-- After the catalog says that the tenant is elsewhere. Nobody reads or writes here any more.
create function partywall.retire_gate(tenant_id uuid, fence bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g
     set state = 'moved', fence = greatest(g.fence, retire_gate.fence), fenced_until = null, resting_state = null, changed_at = clock_timestamp()
   where g.tenant_id = retire_gate.tenant_id and g.fence <= retire_gate.fence;
  if not found then
    return false;
  end if;
  update partywall.capabilities as c set state = 'moved' where c.tenant_id = retire_gate.tenant_id and c.state <> 'moved';
  return true;
end
$fn$;

-- Lets the tenant in where it has arrived. A gate that is open already, or that has seen a later fence, is left as it is.
create function partywall.open_gate(tenant_id uuid, fence bigint, resting_state text) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g
     set state = open_gate.resting_state, fence = open_gate.fence, moving_since = null, changed_at = clock_timestamp()
   where g.tenant_id = open_gate.tenant_id and g.fence <= open_gate.fence and g.state = 'moved';
  if not found then
    return false;
  end if;
  update partywall.capabilities as c
     set state = open_gate.resting_state
   where c.tenant_id = open_gate.tenant_id and c.state <> open_gate.resting_state;
  return true;
end
$fn$;

-- How the gate stands: for those who wait for a tenant that is being switched. A tenant's own login is told of its own gate alone.
create function partywall.gate_of(tenant_id uuid) returns table (state text, fence bigint, is_overdue boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  return query
    select g.state, g.fence, coalesce(g.fenced_until <= clock_timestamp(), false)
      from partywall.gates as g
     where g.tenant_id = gate_of.tenant_id
       and (pg_has_role(session_user, 'partywall_gatekeeper', 'member')
         or exists (select from partywall.logins as l where l.login = session_user and l.tenant_id = g.tenant_id));
end
$fn$;

-- Reopens a gate whose fence is past its deadline, for whoever notices: the mover is dead. `fence` is what partywall.expire_fence()
-- in the catalog's database answered, so that the move cannot be committed any more. A gate that is not fenced yet remembers the
-- number, so that the dead mover's fence comes too late, and lets those in who were asked to wait.
create function partywall.reopen_gate(tenant_id uuid, fence bigint) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  gate record;
begin
  select g.state, g.fence, g.is_overdue into gate from partywall.gate_of(reopen_gate.tenant_id) as g;
  if gate.state is null or (gate.state = 'fenced' and not (gate.is_overdue and gate.fence <= reopen_gate.fence)) then
    return null;
  end if;
  -- Bounded, so that a tenant's own login cannot use up the numbers.
  return partywall.give_up_fence(reopen_gate.tenant_id, least(greatest(gate.fence, reopen_gate.fence), gate.fence + 1000));
end
$fn$;

-- What replication applies is checked here, row by row, by the database that it comes to: the filter at the other side is not the only
-- guard. The setting comes with the login that applies (alter role … set); without it nothing is applied at all.
create function partywall.refuse_applied_row() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  raise exception using errcode = 'PW015',
    message = format('a row of %I.%I that is not the moving tenant''s was to be applied', tg_table_schema, tg_table_name);
end
$fn$;

-- Waits while the mover holds the copy back for the neighbours' sake: it has the lock then. A mover that dies loses it.
create function partywall.hold_back() returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  key bigint := hashtextextended(current_user::text, 7305804406);
begin
  perform pg_advisory_lock_shared(key);
  perform pg_advisory_unlock_shared(key);
  return false;
end
$fn$;

-- The guard of one table: triggers that fire for replication alone, and cost others nothing.
create function partywall.guard_applied_rows(target regclass, tenant_column name) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $fn$
declare
  here text := partywall.table_name(target);
  setting text := 'partywall.applies_' || partywall.tenant_key_type(target, tenant_column);
  of_new text := format('new.%I::text is distinct from current_setting(%L, true)', tenant_column, setting);
  of_old text := format('old.%I::text is distinct from current_setting(%L, true)', tenant_column, setting);
  guard record;
begin
  for guard in
    -- A copy inserts; one row of some hundreds asks whether it should wait.
    select * from (values ('insert', of_new || ' or (random() < 0.002 and partywall.hold_back())'), ('update', of_new || ' or ' || of_old), ('delete', of_old)) as g (command, condition)
  loop
    execute format('create or replace trigger partywall_guard_%s after %1$s on %s for each row when (%s) execute function partywall.refuse_applied_row()',
      guard.command, here, guard.condition);
    execute format('alter table %s enable replica trigger partywall_guard_%s', here, guard.command);
  end loop;
end
$fn$;

revoke execute on function
  partywall.start_moving(uuid), partywall.moving_since(uuid), partywall.stop_moving(uuid), partywall.announce_fence(uuid, bigint),
  partywall.claim_gate(uuid, bigint), partywall.close_gate(uuid, uuid, integer, bigint, timestamptz, timestamptz), partywall.open_gate(uuid, bigint, text), partywall.give_up_fence(uuid, bigint), partywall.retire_gate(uuid, bigint),
  partywall.gate_of(uuid), partywall.reopen_gate(uuid, bigint), partywall.refuse_applied_row(), partywall.hold_back(), partywall.guard_applied_rows(regclass, name)
  from public;
grant execute on function partywall.gate_of(uuid), partywall.reopen_gate(uuid, bigint) to partywall_gatekeeper, partywall_tenants;
