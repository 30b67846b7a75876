-- The audit log of each tenant: an ordinary protected table among the tenant's own, so that it moves, is backed up, exported and purged
-- with the tenant. Only partywall_owner writes it, through append_audit(); the app reads the bound tenant's own rows and changes none.
--
-- A row is a batch of entries: what one process recorded for one tenant between two flushes. A row for each entry would cost a point
-- read a fifth of its speed. Its payload begins with exactly {"v":1,"id":"<uuid>","at":"<time, as 2026-01-31T12:00:00.000Z>", so that
-- nothing has to be parsed to find these. Each row's hash covers the one before it, its position and its exact text:
--   hash = sha256(previous || int8send(position) || payload in UTF-8); before position 1 stands sha256('partywall audit' || the tenant's 16 bytes).

-- In a migration of the application: makes the log in the schema where the tenant's tables are.
create function partywall.create_audit_log() returns void
language plpgsql volatile
as $fn$
declare
  here text := pg_catalog.quote_ident(pg_catalog.current_schema());
begin
  -- "json", not "jsonb": the text stays as it was hashed.
  execute pg_catalog.format('create table %s.audit_log (
      tenant_id uuid not null,
      position bigint not null,
      at timestamptz not null,
      payload json not null,
      hash bytea not null,
      constraint audit_log_pkey primary key (tenant_id, position),
      constraint audit_log_position_check check (position > 0),
      constraint audit_log_hash_check check (octet_length(hash) = 32)
    )', here);
  execute pg_catalog.format('create index audit_log_at_idx on %s.audit_log (tenant_id, at)', here);
  perform partywall.protect(pg_catalog.format('%s.audit_log', here)::pg_catalog.regclass);
  execute pg_catalog.format('revoke all on %s.audit_log from partywall_app, partywall_tenants', here);
  execute pg_catalog.format('grant select on %s.audit_log to partywall_app, partywall_tenants', here);
end
$fn$;
comment on function partywall.create_audit_log() is
  'In a migration: makes the tenant''s audit log, append-only for everybody but partywall_owner. Call it once in each schema of tenants.';

-- With what a tenant's own login proves that an append comes from a process of the application, and not from SQL that was slipped into
-- one of its statements: both halves of a key for HMAC-SHA256 (RFC 2104), which the process has from its secret store.
create table partywall.audit_keys (
  login name not null,
  inner_pad bytea not null,
  outer_pad bytea not null,
  constraint audit_keys_pkey primary key (login),
  constraint audit_keys_login_fkey foreign key (login) references partywall.logins (login) on delete cascade,
  constraint audit_keys_inner_pad_check check (octet_length(inner_pad) = 64),
  constraint audit_keys_outer_pad_check check (octet_length(outer_pad) = 64)
);
comment on table partywall.audit_keys is
  'The keys by which tenants'' own logins append to their audit logs. Written by partywall.set_audit_key(); read by partywall_owner alone.';

-- @param key 32 random bytes.
create function partywall.set_audit_key(login name, key bytea) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
begin
  if octet_length(key) <> 32 then
    raise exception using errcode = '22023', message = 'a key for the audit log has 32 bytes';
  end if;
  for i in 0 .. 31 loop
    inner_pad := set_byte(inner_pad, i, get_byte(key, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(key, i) # 92);
  end loop;
  insert into partywall.audit_keys as k (login, inner_pad, outer_pad)
  values (set_audit_key.login, inner_pad, outer_pad)
      on conflict on constraint audit_keys_pkey
      do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad;
end
$fn$;

-- The log's own capability, with which the owner writes behind the policies: kept as long as capabilities live, since one for each
-- append would be most of what an append costs. Nobody but the owner can read it. Its state follows the gate as every other's does.
create function partywall.bind_for_audit(tenant_id uuid) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  kept uuid;
begin
  select c.capability into kept
    from partywall.capabilities as c
   where c.tenant_id = bind_for_audit.tenant_id
     and c.expires_at > clock_timestamp() + interval '1 minute'
     and c.issued_to = 'the audit log'
     and c.state in ('open', 'moving')
   limit 1;
  if kept is null then
    kept := encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), 'hex')::uuid;
    -- The lock makes set_gate() wait for this, and then change its copy too.
    insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
    select kept, g.tenant_id, g.state, clock_timestamp() + interval '10 minutes', 'the audit log', g.key_bigint, g.key_text
      from partywall.gates as g
     where g.tenant_id = bind_for_audit.tenant_id
       and g.state in ('open', 'moving')
       for share of g;
    if not found then
      return false;
    end if;
  end if;
  perform set_config('partywall.capability', kept::text, true);
  return true;
end
$fn$;

-- One row of one tenant. Called with the tenant's capability bound, and the lock of its chain held. What most tenants share has its
-- plan kept; the same for a schema of a tenant's own is planned each time.
create function partywall.append_audit_row(tenant_id uuid, log regclass, payload text, is_retry boolean) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  start bytea := sha256('partywall audit'::bytea || uuid_send(append_audit_row.tenant_id));
  batch text := substr(payload, 14, 36);
  is_shared boolean := log::oid = to_regclass('app.audit_log')::oid;
  is_there boolean := false;
  recorded_at timestamptz;
begin
  if substr(payload, 1, 13) <> '{"v":1,"id":"' or substr(payload, 50, 8) <> '","at":"' or substr(payload, 82, 2) <> '",'
    or batch !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    or substr(payload, 58, 24) !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$' then
    raise exception using errcode = '22023', message = 'this is no batch of audit entries';
  end if;
  recorded_at := substr(payload, 58, 24)::timestamptz;
  if is_retry then
    execute format('select exists (select from %s as a where a.tenant_id = $1 and a.at = $2 and substr(a.payload::text, 14, 36) = $3)', log)
      into is_there using append_audit_row.tenant_id, recorded_at, batch;
    if is_there then
      return false;
    end if;
  end if;
  if is_shared then
    insert into app.audit_log (tenant_id, position, at, payload, hash)
    select append_audit_row.tenant_id, l.position + 1, recorded_at, append_audit_row.payload::json,
           sha256(l.hash || int8send(l.position + 1) || convert_to(append_audit_row.payload, 'UTF8'))
      from (
        select coalesce(b.position, 0) as position, coalesce(b.hash, start) as hash
          from (select) as one
          left join lateral (
            select a.position, a.hash from app.audit_log as a where a.tenant_id = append_audit_row.tenant_id order by a.position desc limit 1
          ) as b on true
      ) as l;
  else
    execute format(
      'insert into %s (tenant_id, position, at, payload, hash)
       select $1, l.position + 1, $2, $3::json, sha256(l.hash || int8send(l.position + 1) || convert_to($3, ''UTF8''))
         from (
           select coalesce(b.position, 0) as position, coalesce(b.hash, $4) as hash
             from (select) as one
             left join lateral (select a.position, a.hash from %1$s as a where a.tenant_id = $1 order by a.position desc limit 1) as b on true
         ) as l', log)
      using append_audit_row.tenant_id, recorded_at, payload, start;
  end if;
  return true;
end
$fn$;

-- Before a tenant's rows are purged: from here on nothing is appended to its log. Who was appending has ended.
create function partywall.end_audit_log(tenant_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(hashtextextended('partywall audit ' || end_audit_log.tenant_id, 0));
  update partywall.gates as g set is_log_over = true where g.tenant_id = end_audit_log.tenant_id and not g.is_log_over;
end
$fn$;

-- Appends batches, each to the log of its tenant, and behind them what the tenant's outbox of changes has: one round trip for many tenants.
-- All or nothing. A null among the batches is none: it takes in what is in the outbox alone.
-- @param is_retry Any of them may be there already, since whoever sends them has lost an answer.
create function partywall.append_batches(tenant_ids uuid[], payloads text[], is_retry boolean)
returns table (tenant_id uuid, appended integer, outcome text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
#variable_conflict use_column
declare
  asked record;
  gate record;
  log regclass;
  payload text;
  is_made boolean;
  is_acting boolean;
  is_over boolean;
  appended integer;
begin
  if cardinality(tenant_ids) <> cardinality(payloads) or cardinality(tenant_ids) > 1000 then
    raise exception using errcode = '22023', message = 'one tenant for each batch, and at most 1,000 a call';
  end if;
  -- In one order everywhere, so that two appenders cannot deadlock.
  for asked in
    select t.id, array_agg(t.payload order by t.place) as payloads
      from unnest(tenant_ids, payloads) with ordinality as t (id, payload, place)
     group by t.id
     order by t.id
  loop
    select g.state, g.schema_name into gate from partywall.gates as g where g.tenant_id = asked.id;
    if not found then
      return query select asked.id, 0, 'unknown'::text;
      continue;
    end if;
    -- Applications have tables of that name, too.
    select a.attrelid into log
      from pg_attribute as a
     where a.attrelid = to_regclass(quote_ident(coalesce(gate.schema_name, 'app')) || '.audit_log')
       and a.attname = 'hash' and a.atttypid = 'bytea'::regtype;
    if log is null then
      return query select asked.id, 0, 'no_log'::text;
      continue;
    end if;
    if gate.state in ('fenced', 'moved') then
      return query select asked.id, 0, 'moving'::text;
      continue;
    end if;
    -- What a suspended tenant was refused is recorded, too: there the owner acts for the tenant, whatever the gate says.
    is_acting := not partywall.bind_for_audit(asked.id);
    if is_acting then
      is_made := partywall.act_for(asked.id, null, null);
    end if;
    perform pg_advisory_xact_lock(hashtextextended('partywall audit ' || asked.id, 0));
    appended := 0;
    -- Asked behind the lock: whoever purges the log says so first, and has waited for all who were before.
    perform from partywall.gates as g where g.tenant_id = asked.id and g.is_log_over;
    is_over := found;
    foreach payload in array asked.payloads loop
      if payload is not null and not is_over and partywall.append_audit_row(asked.id, log, payload, is_retry) then
        appended := appended + 1;
      end if;
    end loop;
    if not is_over then
      appended := appended + partywall.take_audit_outbox(asked.id, log, coalesce(gate.schema_name, 'app'));
    end if;
    if is_acting then
      perform partywall.stop_acting(asked.id, is_made);
    else
      perform set_config('partywall.capability', '', true);
    end if;
    return query select asked.id, appended, case when is_over then 'unknown' else 'appended' end;
  end loop;
end
$fn$;

create function partywall.append_audit(tenant_ids uuid[], payloads text[], is_retry boolean)
returns table (tenant_id uuid, appended integer, outcome text)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
  select b.tenant_id, b.appended, b.outcome from partywall.append_batches(tenant_ids, payloads, is_retry) as b
$fn$;
comment on function partywall.append_audit(uuid[], text[], boolean) is
  'For the gatekeeper: appends batches of entries to tenants'' audit logs. The outcome of a tenant is appended, moving (ask where it is now), no_log, or unknown (it is not here any more).';

-- For a login that is one tenant's own: its own tenant's log and no other, by who is told to hold the key.
-- @param proof HMAC-SHA256 over the batches, joined by line feeds; none has one inside.
create function partywall.append_own_audit(payloads text[], is_retry boolean, proof bytea)
returns table (tenant_id uuid, appended integer, outcome text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  own record;
begin
  select l.tenant_id, k.inner_pad, k.outer_pad into own
    from partywall.logins as l
    join partywall.audit_keys as k on k.login = l.login
   where l.login = session_user;
  if own.tenant_id is null
    or sha256(own.outer_pad || sha256(own.inner_pad || convert_to(array_to_string(payloads, E'\n'), 'UTF8'))) is distinct from proof then
    raise exception using errcode = '42501', message = 'these audit entries are not proved to be the application''s';
  end if;
  return query
    select b.tenant_id, b.appended, b.outcome
      from partywall.append_batches(array_fill(own.tenant_id, array[cardinality(payloads)]), payloads, is_retry) as b;
end
$fn$;

-- Removes the beginning of a log, up to a position, of what is older than `before`; never its last row, without which the chain could not
-- be gone on with. Called behind act_for(). Whoever calls it has signed first that it was to be removed: the log begins later then, and
-- nothing else tells that this was no theft.
create function partywall.prune_audit(log regclass, tenant_id uuid, up_to bigint, before timestamptz) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  removed bigint;
begin
  execute format(
    'delete from %s as a
      where a.tenant_id = $1
        and a.position <= $2
        and a.position < (select max(l.position) from %1$s as l where l.tenant_id = $1)
        and not exists (select from %1$s as y where y.tenant_id = $1 and y.position <= $2 and y.at >= $3)', log)
    using prune_audit.tenant_id, up_to, before;
  get diagnostics removed = row_count;
  return removed;
end
$fn$;

revoke execute on function
  partywall.end_audit_log(uuid), partywall.create_audit_log(), partywall.set_audit_key(name, bytea), partywall.bind_for_audit(uuid),
  partywall.append_audit_row(uuid, regclass, text, boolean), partywall.append_batches(uuid[], text[], boolean),
  partywall.append_audit(uuid[], text[], boolean), partywall.append_own_audit(text[], boolean, bytea),
  partywall.prune_audit(regclass, uuid, bigint, timestamptz)
  from public;
grant execute on function partywall.append_audit(uuid[], text[], boolean) to partywall_gatekeeper;
grant execute on function partywall.append_own_audit(text[], boolean, bytea) to partywall_tenants;
