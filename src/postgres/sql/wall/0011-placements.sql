-- What operations need in a database that holds tenants: a gate before there are rows, a schema of a tenant's own, and a hand that
-- counts and deletes one tenant's rows. Run as partywall_owner; called by partywall_owner alone.

-- The tenant's gate, suspended, when there is none yet. Keys are set once: others are refused.
create function partywall.prepare_gate(tenant_id uuid, key_bigint bigint, key_text text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
begin
  insert into partywall.gates as g (tenant_id, state)
  values (prepare_gate.tenant_id, 'suspended')
      on conflict on constraint gates_pkey do nothing;
  if key_bigint is not null or key_text is not null then
    perform partywall.set_gate_keys(tenant_id, key_bigint, key_text);
  end if;
end
$fn$;

-- A schema that waits for its tenant. The app may not enter it: it is nobody's, and must be empty when it is somebody's.
create function partywall.make_stock_schema(schema_name text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
begin
  if exists (select from pg_namespace as n where n.nspname = schema_name
               and n.nspowner = 'partywall_owner'::regrole and obj_description(n.oid, 'pg_namespace') = 'partywall: stock')
    and not exists (select from partywall.gates as g where g.schema_name = make_stock_schema.schema_name) then
    return;
  end if;
  -- Never IF NOT EXISTS: two names that were cut to one, or a stranger's schema, would be taken for ours.
  execute format('create schema %I authorization partywall_owner', schema_name);
  execute format('comment on schema %I is %L', schema_name, 'partywall: stock');
end
$fn$;

-- Makes a schema the tenant's own, in one transaction with the record that it is. Says how: it was `made`, `taken` from the stock,
-- or the tenant `had` it. A schema that is there and not recorded as this tenant's is refused (42P06).
create function partywall.take_schema(tenant_id uuid, schema_name text, key_bigint bigint, key_text text) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  space oid := to_regnamespace(quote_ident(take_schema.schema_name));
  had text;
  waiting record;
begin
  perform partywall.prepare_gate(tenant_id, key_bigint, key_text);
  select g.schema_name into had from partywall.gates as g where g.tenant_id = take_schema.tenant_id;
  if had = take_schema.schema_name and space is not null then
    return 'had';
  end if;
  perform partywall.set_gate_schema(tenant_id, take_schema.schema_name);
  if space is null then
    execute format('create schema %I authorization partywall_owner', take_schema.schema_name);
    execute format('grant usage on schema %I to partywall_app', take_schema.schema_name);
    return 'made';
  end if;
  if not exists (select from pg_namespace as n where n.oid = space
                   and n.nspowner = 'partywall_owner'::regrole and obj_description(n.oid, 'pg_namespace') = 'partywall: stock') then
    raise exception using errcode = '42P06', message = format('the schema %I is there, and is not this tenant''s', take_schema.schema_name);
  end if;
  -- Now that the schema has a tenant, its tables take that tenant's rows alone. Behind the wall they are already.
  for waiting in
    select to_regclass(p.table_name) as rel, p.tenant_column::name as tenant_column
      from partywall.protected_tables as p
     where p.table_name >= take_schema.schema_name || '.' and p.table_name < take_schema.schema_name || '/'
  loop
    perform partywall.keep_to_dweller(waiting.rel, waiting.tenant_column);
  end loop;
  execute format('comment on schema %I is null', take_schema.schema_name);
  execute format('grant usage on schema %I to partywall_app', take_schema.schema_name);
  return 'taken';
end
$fn$;

-- Lets the owner act on one tenant's rows until the end of the transaction, whether it is suspended or not; no policy is lifted, so that
-- it can reach no other tenant's. The capability is never committed: stop_acting() removes it, and a rollback does too.
-- A tenant without a gate has one meanwhile. Returns whether it was made.
--
-- While the tenant moves, the mover can wait for this transaction as for every other, and during a switch it is refused. Where the
-- tenant has moved away from, its rows may be read; whoever purges them says behind which fence they were left: when a later move
-- has come back here, they are not left any more.
create function partywall.act_for(tenant_id uuid, key_bigint bigint, key_text text, behind_fence bigint default null) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  fresh uuid := encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), 'hex')::uuid;
  is_made boolean;
  gate record;
begin
  insert into partywall.gates as g (tenant_id, state, key_bigint, key_text)
  values (act_for.tenant_id, 'suspended', act_for.key_bigint, act_for.key_text)
      on conflict on constraint gates_pkey do nothing;
  is_made := found;
  select g.state, g.fence into gate from partywall.gates as g where g.tenant_id = act_for.tenant_id;
  if gate.state in ('moving', 'fenced') or behind_fence is not null then
    select g.state, g.fence into gate from partywall.gates as g where g.tenant_id = act_for.tenant_id for share;
  end if;
  if gate.state = 'fenced' or (behind_fence is not null and not is_made and not (gate.state = 'moved' and gate.fence <= behind_fence)) then
    raise exception using errcode = 'PW014', message = 'the tenant is being moved';
  end if;
  insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
  select fresh, g.tenant_id, case when gate.state = 'moved' and behind_fence is null then 'read_only' else 'open' end,
         clock_timestamp() + interval '1 hour', 'an operation', g.key_bigint, g.key_text
    from partywall.gates as g
   where g.tenant_id = act_for.tenant_id;
  perform set_config('partywall.capability', fresh::text, true);
  -- Rows that are seeded, restored or purged as a whole are no accesses: the operation itself is in the control plane's trail.
  perform set_config('partywall.audit_changes', 'off', true);
  return is_made;
end
$fn$;

create function partywall.stop_acting(tenant_id uuid, is_made boolean) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
begin
  delete from partywall.capabilities as c
   where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
     and c.tenant_id = stop_acting.tenant_id;
  if is_made then
    delete from partywall.gates as g where g.tenant_id = stop_acting.tenant_id;
  end if;
  perform set_config('partywall.capability', '', true);
  perform set_config('partywall.audit_changes', '', true);
end
$fn$;

revoke execute on function
  partywall.prepare_gate(uuid, bigint, text), partywall.make_stock_schema(text), partywall.take_schema(uuid, text, bigint, text),
  partywall.act_for(uuid, bigint, text, bigint), partywall.stop_acting(uuid, boolean)
  from public;
