-- The wall: gates, capabilities, and the functions that policies call.
-- Run as partywall_owner. The app's login has no privilege on any table here; it may call what is granted at the end.

create table partywall.gates (
  tenant_id uuid not null,
  state text collate "C" not null default 'open',
  key_bigint bigint,
  key_text text collate "C",
  schema_name text collate "C",
  fence bigint not null default 0,
  fenced_until timestamptz,
  resting_state text collate "C",
  moving_since timestamptz,
  is_log_over boolean not null default false,
  changed_at timestamptz not null default clock_timestamp(),
  constraint gates_pkey primary key (tenant_id),
  constraint gates_schema_name_key unique (schema_name),
  constraint gates_schema_name_check check (schema_name ~ '^t_[0-9a-f]{24}$'),
  constraint gates_key_bigint_key unique (key_bigint),
  constraint gates_key_text_key unique (key_text),
  constraint gates_key_text_check check (length(key_text) between 1 and 200),
  constraint gates_state_check check (state in ('open', 'read_only', 'moving', 'fenced', 'moved', 'suspended')),
  constraint gates_fence_check check (fenced_until is null or (state = 'fenced' and resting_state is not null))
);
comment on column partywall.gates.fence is
  'The number of the last fence that a move has put up here or has given up. A fence with this number or a lower one comes too late.';
comment on column partywall.gates.fenced_until is
  'Of a gate that a move has fenced: from when on anybody may reopen it. Until it is reopened or the tenant has moved, no other hand changes the gate.';
comment on column partywall.gates.moving_since is
  'Since when no write begins here that is not seen by a mover: taken after the gate was no longer plainly open, and forgotten whenever it changes.';
comment on column partywall.gates.is_log_over is
  'The tenant''s rows are being purged, its audit log among them: nothing is appended to it any more. Forgotten when the gate is opened.';
comment on column partywall.gates.resting_state is 'Of a gate that a move has fenced: the state to go back to.';
comment on column partywall.gates.schema_name is
  'The schema of the tenant''s own tables, where the tenant has them; null for a tenant whose tables are in the schema app.';
comment on table partywall.gates is
  'One row per tenant of this database: may its statements run, and by which keys do tables know it? Written through partywall.set_gate() and partywall.set_gate_keys() by partywall_owner alone; read by definer functions.';

create table partywall.capabilities (
  capability uuid not null,
  tenant_id uuid not null,
  state text collate "C" not null,
  is_read_only boolean not null default false,
  is_readable boolean not null generated always as (state in ('open', 'read_only', 'moving', 'fenced')) stored,
  is_writable boolean not null generated always as (state = 'open' and not is_read_only) stored,
  grant_id uuid,
  expires_at timestamptz not null,
  issued_to text not null default '',
  key_bigint bigint,
  key_text text collate "C",
  seal bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) || sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  constraint capabilities_pkey primary key (capability),
  constraint capabilities_tenant_id_fkey foreign key (tenant_id) references partywall.gates (tenant_id) on delete cascade
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
create index capabilities_tenant_id_idx on partywall.capabilities (tenant_id, expires_at);
create index capabilities_expires_at_idx on partywall.capabilities (expires_at);
create index capabilities_grant_id_idx on partywall.capabilities (grant_id) where grant_id is not null;
comment on column partywall.capabilities.is_read_only is
  'It was issued for reading alone. Said once, when it is issued: whatever becomes of the gate, nothing lifts it.';
comment on column partywall.capabilities.grant_id is
  'Of a capability that a member of the staff has by a grant (break-glass): which. It is nobody else''s, and goes with the grant.';
comment on column partywall.capabilities.seal is
  'With what a process says, in a way that no statement can forge, who acts in a transaction. Told to the gatekeeper alone.';
comment on table partywall.capabilities is
  'Unguessable, short-lived handles to gates. The state and the keys are copies of the gate''s, so that seal, fence, suspension and expiry are one index probe. Nobody but partywall_owner may read it.';

-- Gates up to …ff are nobody's: they are partywall's own.
-- Rows that open nothing, so that the table is never small. A statement that a process prepares while there are few
-- capabilities would otherwise read the whole table for good, and cost ten times as much once there are thousands.
insert into partywall.gates (tenant_id, state) values ('00000000-0000-0000-0000-000000000000', 'suspended');
insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to)
select encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), 'hex')::uuid,
       '00000000-0000-0000-0000-000000000000', 'suspended', 'infinity', 'nobody'
  from generate_series(1, 1000);
-- Tenants without a row, for canaries: every process that starts tries to be the one while it is bound to the other. The third one has
-- nothing but capabilities that have run out, so that no issue for it clears them away.
insert into partywall.gates (tenant_id)
values ('00000000-0000-0000-0000-0000000000ca'), ('00000000-0000-0000-0000-0000000000cb'), ('00000000-0000-0000-0000-0000000000cc');
analyze partywall.gates, partywall.capabilities;

-- Logins of tenants' own, in a database that holds one tenant alone: the login itself says who may come in.
create table partywall.logins (
  login name not null,
  tenant_id uuid not null,
  constraint logins_pkey primary key (login),
  constraint logins_tenant_id_fkey foreign key (tenant_id) references partywall.gates (tenant_id) on delete cascade
);
comment on table partywall.logins is
  'Which tenant a login belongs to. Written by partywall_owner alone; read by partywall.issue_own(), which believes nothing but session_user.';

create table partywall.global_tables (
  table_name text collate "C" not null,
  reason text not null,
  declared_at timestamptz not null default clock_timestamp(),
  constraint global_tables_pkey primary key (table_name),
  constraint global_tables_reason_check check (length(btrim(reason)) >= 10)
);
comment on table partywall.global_tables is
  'Tables that hold no tenant''s data and are the same for all: readable by the app, never written by it. Written through partywall.declare_global().';

create table partywall.protected_tables (
  table_name text collate "C" not null,
  tenant_column text collate "C" not null,
  protected_at timestamptz not null default clock_timestamp(),
  constraint protected_tables_pkey primary key (table_name)
);
comment on table partywall.protected_tables is
  'Tables behind the wall and their tenant column, by qualified name. Written through partywall.protect(); the catalogs of PostgreSQL, not this list, are what the boot gate believes.';
grant select on partywall.protected_tables, partywall.global_tables to partywall_gatekeeper, partywall_doctor;
grant select (tenant_id, expires_at) on partywall.capabilities to partywall_doctor;
grant select on partywall.gates, partywall.logins to partywall_doctor;

-- uuid version 7 (RFC 9562), also before PostgreSQL 18.
do $do$
begin
  if to_regproc('pg_catalog.uuidv7') is not null then
    create function partywall.uuidv7() returns uuid language sql volatile parallel safe return pg_catalog.uuidv7();
  else
    create function partywall.uuidv7() returns uuid language sql volatile parallel safe
    return encode(
      set_bit(
        set_bit(
          overlay(
            uuid_send(gen_random_uuid())
            placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
            from 1 for 6
          ), 52, 1
        ), 53, 1
      ), 'hex'
    )::uuid;
  end if;
end
$do$;

-- Why a capability was refused. Called only when the one probe of tenant_id() found nothing, so it may be slow.
create function partywall.refuse() returns uuid
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  bound text := nullif(current_setting('partywall.capability', true), '');
  found record;
begin
  if bound is null then
    raise exception using errcode = 'PW001', message = 'no tenant is bound to this transaction',
      hint = 'Bind one first: select partywall.bind(''<capability>'') inside a transaction.';
  end if;
  select c.state, c.expires_at <= statement_timestamp() as expired into found
    from partywall.capabilities as c
   where c.capability::text = lower(bound);
  if found is null then
    raise exception using errcode = 'PW002', message = 'the capability is not known';
  elsif found.state = 'suspended' then
    raise exception using errcode = 'PW004', message = 'the tenant is suspended';
  elsif found.state = 'moved' then
    raise exception using errcode = 'PW005', message = 'the tenant has moved';
  elsif found.expired then
    raise exception using errcode = 'PW003', message = 'the capability has expired';
  end if;
  raise exception using errcode = 'PW005', message = 'the tenant cannot be reached at this moment';
end
$fn$;

-- The tenant of this transaction: always one row, or an error. No statement ever runs for "nobody".
-- A view with its owner's rights, and not a function, because policies read it once in every statement: the planner joins the
-- probe into the statement's own plan, where a function would start an executor of its own. The app may read the view; what
-- it shows is the tenant of the one capability that the app has bound. The barrier keeps the app's own functions out of it.
create view partywall.bound with (security_barrier = true) as
select coalesce(
         (
           select c.tenant_id
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_readable
         ),
         partywall.refuse()
       ) as tenant_id;
comment on view partywall.bound is
  'The tenant whose capability is bound to this transaction. Policies read it as (select b.tenant_id from partywall.bound as b): once a statement.';

-- The same as a function, for column defaults and people.
create function partywall.tenant_id() returns uuid
language sql stable parallel safe security definer
begin atomic
  select b.tenant_id from partywall.bound as b;
end;
comment on function partywall.tenant_id() is 'The tenant whose capability is bound to this transaction.';

-- The slow path of writes: the gate is not plainly open.
-- While it is `moving`, and then alone, a shared lock on the gate's row lets the mover wait for the writes in flight.
-- REPEATABLE READ cannot see past it: a row that changed after the snapshot raises 40001, which is retried.
-- A mover that wants to fence says so in the capabilities first: who writes already may finish, and nobody else begins, or the
-- shared locks would never end. The setting is only that courtesy: the lock and the gate's own state decide.
create function partywall.refuse_write() returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  tenant uuid := partywall.tenant_id();
  gate text;
  is_read_only boolean;
begin
  select c.state, c.is_read_only into gate, is_read_only
    from partywall.capabilities as c
   where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid;
  -- Before the gate is asked, and without a way around it: this one may never write, wherever the tenant is.
  if is_read_only then
    raise exception using errcode = 'PW016', message = 'this access is for reading alone';
  end if;
  if gate = 'moving'
    or (gate = 'fenced' and current_setting('partywall.writes_in', true) = pg_current_xact_id_if_assigned()::text) then
    select g.state into gate from partywall.gates as g where g.tenant_id = tenant for share;
    if gate = 'moving' then
      perform set_config('partywall.writes_in', pg_current_xact_id()::text, true);
    end if;
  end if;
  case gate
    when 'open', 'moving' then return tenant;
    when 'read_only' then raise exception using errcode = 'PW006', message = 'the tenant is read-only';
    when 'suspended' then raise exception using errcode = 'PW004', message = 'the tenant is suspended';
    else raise exception using errcode = 'PW005', message = 'the tenant is being moved';
  end case;
end
$fn$;

-- `bound`, for policies of commands that write.
create view partywall.bound_for_writing with (security_barrier = true) as
select coalesce(
         (
           select c.tenant_id
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_writable
         ),
         partywall.refuse_write()
       ) as tenant_id;
comment on view partywall.bound_for_writing is
  'As partywall.bound, for commands that write: refuses while the gate is read-only or fenced, and locks the gate only while the tenant is moving.';

-- The half of bind() that may read capabilities. Returns the schema that is the tenant's own, if it has one.
create function partywall.bind_capability(capability text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  before text := nullif(current_setting('partywall.capability', true), '');
  before_tenant uuid;
  after_tenant uuid;
  -- A uuid has many spellings ({…}, without dashes, in capitals). One is bound, so that it is found again below.
  asked uuid := bind_capability.capability;
begin
  if before is not null then
    select c.tenant_id into before_tenant from partywall.capabilities as c where c.capability::text = lower(before);
    select c.tenant_id into after_tenant from partywall.capabilities as c where c.capability = asked;
    if before_tenant is not null and before_tenant is distinct from after_tenant then
      raise exception using errcode = 'PW007', message = 'another tenant is bound to this transaction already',
        hint = 'One transaction serves one tenant. End it first.';
    end if;
  end if;
  perform set_config('partywall.capability', asked::text, true);
  return (
    select g.schema_name
      from partywall.capabilities as c
      join partywall.gates as g on g.tenant_id = c.tenant_id
     where c.capability = asked
  );
end
$fn$;

-- For psql, BI tools and other languages. Our own lease sets the parameter itself: the check is in the policy.
-- It has no search_path of its own, since what it sets would end with it, and so every name in it is qualified.
create function partywall.bind(capability text) returns uuid
language plpgsql volatile
as $fn$
declare
  own_schema text := partywall.bind_capability(bind.capability);
begin
  -- Exactly the tenant's schema: a name that is not there must not be found somewhere else.
  if own_schema is not null then
    perform pg_catalog.set_config('search_path', pg_catalog.concat(own_schema, ', pg_temp'), true);
  end if;
  return partywall.tenant_id();
end
$fn$;
comment on function partywall.bind(text) is
  'Binds a capability to the current transaction and returns its tenant. Inside BEGIN … COMMIT: it is forgotten at the end.';

-- Gates: the truth about a tenant in this database. The capabilities' copies change in the same transaction.
create function partywall.set_gate(tenant_id uuid, state text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
begin
  insert into partywall.gates as g (tenant_id, state)
  values (set_gate.tenant_id, set_gate.state)
      on conflict on constraint gates_pkey
      do update set state = excluded.state, moving_since = null, is_log_over = g.is_log_over and excluded.state <> 'open',
                    changed_at = clock_timestamp()
      where g.fenced_until is null;
  if not found then
    raise exception using errcode = 'PW014', message = 'the tenant is being switched from one place to another',
      hint = 'It takes less than a second, or until the fence''s deadline. Try again.';
  end if;
  -- A second statement, so that it sees every capability whose issuing held the gate's row until now.
  update partywall.capabilities as c
     set state = set_gate.state
   where c.tenant_id = set_gate.tenant_id
     and c.state <> set_gate.state;
end
$fn$;
revoke execute on function partywall.set_gate(uuid, text) from public;

-- The schema of a tenant's own tables. A schema is given once: a tenant whose schema changed would own another's tables.
create function partywall.set_gate_schema(tenant_id uuid, schema_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  update partywall.gates as g
     set schema_name = set_gate_schema.schema_name, changed_at = clock_timestamp()
   where g.tenant_id = set_gate_schema.tenant_id
     and coalesce(g.schema_name, set_gate_schema.schema_name) = set_gate_schema.schema_name;
  if not found then
    raise exception using errcode = '23514', schema = 'partywall', table = 'gates', constraint = 'gates_schema_once',
      message = 'the schema of a tenant is set once, after its gate';
  end if;
end
$fn$;

-- The tenant's keys, given once each: a tenant whose key changed would own the rows of whoever had that key before, and lose its
-- own. Null is for a key that it does not have yet.
create function partywall.set_gate_keys(tenant_id uuid, key_bigint bigint, key_text text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  before record;
begin
  select g.key_bigint, g.key_text into strict before from partywall.gates as g where g.tenant_id = set_gate_keys.tenant_id for update;
  if (before.key_bigint is not null and before.key_bigint is distinct from set_gate_keys.key_bigint)
    or (before.key_text is not null and before.key_text is distinct from set_gate_keys.key_text collate "C") then
    raise exception using errcode = '23514', schema = 'partywall', table = 'gates', constraint = 'gates_keys_once',
      message = 'the key of a tenant is set once: it says which rows are its own';
  end if;
  update partywall.gates as g
     set key_bigint = set_gate_keys.key_bigint, key_text = set_gate_keys.key_text, changed_at = clock_timestamp()
   where g.tenant_id = set_gate_keys.tenant_id;
  -- A second statement, so that it sees every capability whose issuing held the gate's row until now.
  update partywall.capabilities as c
     set key_bigint = set_gate_keys.key_bigint, key_text = set_gate_keys.key_text
   where c.tenant_id = set_gate_keys.tenant_id;
end
$fn$;

-- Issuing. One row comes back for each tenant asked for; without a capability when its gate does not let it in.
-- The seal comes with it where changes of a table are in the audit log (partywall.audit_changes), which is what asks for it.
-- Bounds: a life of 1 s to 1 h, 1,024 live capabilities a tenant, 1,000 tenants a call.
create function partywall.issue(tenant_ids uuid[], ttl interval, issued_to text)
returns table (tenant_id uuid, capability uuid, state text, reason text, seal bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  asked uuid;
  gate text;
  key_bigint bigint;
  key_text text;
  live bigint;
  fresh uuid;
  fenced_until timestamptz;
  audits_changes boolean := partywall.audits_changes();
begin
  if ttl < interval '1 second' or ttl > interval '1 hour' then
    raise exception using errcode = '22023', message = 'a capability lives between 1 second and 1 hour';
  end if;
  if cardinality(tenant_ids) > 1000 then
    raise exception using errcode = '22023', message = 'at most 1,000 tenants a call';
  end if;
  -- In one order everywhere, so that two issuers cannot deadlock.
  for asked in select distinct t from unnest(tenant_ids) as t order by t loop
    -- The lock makes set_gate() wait for this issue, and then change its copy too.
    select g.state, g.key_bigint, g.key_text, g.fenced_until into gate, key_bigint, key_text, fenced_until
      from partywall.gates as g
     where g.tenant_id = asked
       for share;
    if gate is null then
      return query select asked, null::uuid, null::text, 'unknown'::text, null::bytea;
      continue;
    end if;
    -- Past a fence's deadline the tenant may be elsewhere, and nobody may have been able to say so here.
    if gate in ('suspended', 'moved') or fenced_until <= clock_timestamp() then
      return query select asked, null::uuid, gate, 'closed'::text, null::bytea;
      continue;
    end if;
    delete from partywall.capabilities as c where c.tenant_id = asked and c.expires_at <= clock_timestamp();
    select count(*) into live from partywall.capabilities as c where c.tenant_id = asked;
    if live >= 1024 then
      return query select asked, null::uuid, gate, 'limit'::text, null::bytea;
      continue;
    end if;
    -- Two random uuids have 244 random bits; hashed to all 128 of the handle.
    fresh := encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), 'hex')::uuid;
    insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
    values (fresh, asked, gate, least(clock_timestamp() + ttl, fenced_until), left(issued_to, 100), key_bigint, key_text)
    returning capabilities.seal into seal;
    return query select asked, fresh, gate, null::text, case when audits_changes then seal end;
  end loop;
end
$fn$;

-- Is this transaction one that a member of the staff has by a grant? The lock is taken by the step that binds it, and PostgreSQL has no
-- statement that gives a transaction's advisory lock back before its end: what is said so cannot be unsaid, as a setting could.
-- The numbers are the two halves of `partywal`.
create function partywall.is_break_glass() returns boolean
language sql stable security definer
begin atomic
  select exists (
    select from pg_locks as l
     where l.pid = pg_backend_pid()
       and l.locktype = 'advisory'
       and l.classid = 1885434484
       and l.objid = 2037866860
       and l.objsubid = 2
       and l.mode = 'ShareLock'
  );
end;

-- For a login that is one tenant's own: a capability of that tenant and no other. A live one is shared by all who ask, so that a
-- process which comes and goes leaves few behind. The gate is asked as for every other capability.
create function partywall.issue_own(ttl interval, issued_to text)
returns table (tenant_id uuid, capability uuid, state text, reason text, expires_in interval, audits_changes boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  own uuid;
  gate text;
  issued record;
begin
  -- Who reads by a grant does so in a transaction that nothing can make writable again, and has its own capability: it must not get
  -- the tenant's, which would outlive the grant.
  if current_setting('transaction_read_only')::boolean or partywall.is_break_glass() then
    raise exception using errcode = '25006', message = 'no capability is issued in a read-only transaction, or to who is let in by a grant';
  end if;
  select l.tenant_id into own from partywall.logins as l where l.login = session_user;
  if own is null then
    raise exception using errcode = '42501', message = 'this login is no tenant''s own';
  end if;
  -- The seal is the login's audit key here, which the process has from its secret store: nothing that the login can call tells one.
  audits_changes := partywall.audits_changes();
  select g.state into gate from partywall.gates as g where g.tenant_id = own;
  if gate not in ('suspended', 'moved') then
    return query
      select own, c.capability, gate, null::text, c.expires_at - clock_timestamp(), audits_changes
        from partywall.capabilities as c
       where c.tenant_id = own
         and c.grant_id is null
         and c.expires_at between clock_timestamp() + ttl * 0.6 and clock_timestamp() + ttl
       order by c.expires_at desc
       limit 1;
    if found then
      return;
    end if;
  end if;
  select i.capability, i.state, i.reason into issued from partywall.issue(array[own], ttl, issued_to) as i;
  return query select own, issued.capability, issued.state, issued.reason, ttl, audits_changes;
end
$fn$;

-- A capability for one grant of one tenant: it ends with the grant at the latest, by this server's clock, is never shared, and writes
-- nothing if it is for reading. To the gatekeeper for any tenant; to a tenant's own login for its own, of which it may have more anyway.
create function partywall.issue_for_grant(
  for_tenant uuid, for_grant uuid, ttl interval, ends_at timestamptz, is_read_only boolean, issued_to text
)
returns table (tenant_id uuid, capability uuid, state text, reason text, expires_in interval, seal bytea)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  issued record;
  left_over interval := issue_for_grant.ends_at - clock_timestamp();
begin
  if issue_for_grant.for_tenant is null or issue_for_grant.for_grant is null or issue_for_grant.is_read_only is null or left_over is null then
    raise exception using errcode = '22004', message = 'a grant has a tenant, an id, a scope and an end';
  end if;
  if not pg_has_role(session_user, 'partywall_gatekeeper', 'member')
    and not exists (select from partywall.logins as l where l.login = session_user and l.tenant_id = issue_for_grant.for_tenant) then
    raise exception using errcode = '42501', message = 'this login is not the tenant''s own';
  end if;
  if current_setting('transaction_read_only')::boolean or partywall.is_break_glass() then
    raise exception using errcode = '25006', message = 'no capability is issued in a read-only transaction, or to who is let in by a grant';
  end if;
  if left_over < interval '1 second' then
    return query select issue_for_grant.for_tenant, null::uuid, null::text, 'ended'::text, null::interval, null::bytea;
    return;
  end if;
  if left_over > interval '4 hours' then
    raise exception using errcode = '22023', message = 'a grant lasts four hours at most';
  end if;
  select i.capability, i.state, i.reason, i.seal into issued
    from partywall.issue(array[issue_for_grant.for_tenant], least(issue_for_grant.ttl, left_over), issue_for_grant.issued_to) as i;
  return query
    update partywall.capabilities as c
       set grant_id = issue_for_grant.for_grant,
           is_read_only = issue_for_grant.is_read_only,
           expires_at = least(c.expires_at, issue_for_grant.ends_at)
     where c.capability = issued.capability
    returning c.tenant_id, c.capability, c.state, null::text, c.expires_at - clock_timestamp(),
              case when pg_has_role(session_user, 'partywall_gatekeeper', 'member') then issued.seal end;
  if not found then
    return query select issue_for_grant.for_tenant, null::uuid, issued.state, issued.reason, null::interval, null::bytea;
  end if;
end
$fn$;

-- Takes back whatever a grant has: from the next statement on it finds nothing.
create function partywall.revoke_grant(grant_id uuid) returns bigint
language sql volatile security definer
begin atomic
  with gone as (
    delete from partywall.capabilities as c where c.grant_id = revoke_grant.grant_id returning 1
  )
  select count(*) from gone;
end;

create function partywall.revoke(capabilities uuid[]) returns bigint
language sql volatile security definer
begin atomic
  with gone as (
    delete from partywall.capabilities as c where c.capability = any (capabilities) returning 1
  )
  select count(*) from gone;
end;

create function partywall.revoke_tenant(tenant_id uuid) returns bigint
language sql volatile security definer
begin atomic
  with gone as (
    delete from partywall.capabilities as c where c.tenant_id = revoke_tenant.tenant_id returning 1
  )
  select count(*) from gone;
end;

-- Removes capabilities that have expired, at most `count_max` of them: called in the background.
create function partywall.reap(count_max integer) returns bigint
language sql volatile security definer
begin atomic
  with expired as (
    select c.capability
      from partywall.capabilities as c
     where c.expires_at < clock_timestamp()
     order by c.expires_at
     limit least(count_max, 10000)
       for update skip locked
  ), gone as (
    delete from partywall.capabilities as c using expired as e where c.capability = e.capability returning 1
  )
  select count(*) from gone;
end;

-- A capability of a canary's that has run out already: whoever starts wants to see it refused, and not to wait for it.
create function partywall.issue_expired() returns uuid
language sql volatile security definer
begin atomic
  insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to)
  values (gen_random_uuid(), '00000000-0000-0000-0000-0000000000cc', 'open', clock_timestamp() - interval '1 second', 'canary')
  returning capabilities.capability;
end;

revoke execute on all functions in schema partywall from public;
-- What a view calls is called with the reader's rights. Both refusals tell only of the capability that the caller has bound.
grant select on partywall.bound, partywall.bound_for_writing to partywall_app, partywall_tenants;
grant execute on function
  partywall.tenant_id(), partywall.refuse(), partywall.refuse_write(), partywall.bind(text), partywall.bind_capability(text), partywall.uuidv7()
  to partywall_app, partywall_tenants;
grant execute on function partywall.issue_own(interval, text) to partywall_tenants;
grant execute on function
  partywall.issue_for_grant(uuid, uuid, interval, timestamptz, boolean, text), partywall.revoke_grant(uuid)
  to partywall_gatekeeper, partywall_tenants;
grant execute on function
  partywall.issue(uuid[], interval, text), partywall.revoke(uuid[]), partywall.revoke_tenant(uuid), partywall.reap(integer), partywall.issue_expired()
  to partywall_gatekeeper;
