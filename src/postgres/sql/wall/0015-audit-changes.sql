-- What became of rows: before and after of every insert, update and delete of the tables that ask for it, in the tenant's audit log.
--
-- A trigger writes each change to an outbox beside the table, in the transaction that makes it: what is rolled back leaves nothing. The
-- next append to the tenant's log takes it into the chain. So a transaction never waits for the chain's lock, and no two transactions of
-- a tenant wait for each other because of the log.
--
-- By whom comes from partywall.actor, which the process sets where it binds the tenant: "<mac> <context as JSON>", where
--   mac = sha256(outer || sha256(inner || 'partywall actor <capability> <context>')) in hexadecimal digits.
-- (inner, outer) is the seal of the capability, which is told to the gatekeeper alone; for a tenant's own login its audit key, which makes
-- this HMAC-SHA256 (RFC 2104). SQL that is slipped into a statement can set the parameter, and cannot seal what it sets.

-- Are changes of any table recorded here? The catalogs of PostgreSQL say so: no list of ours has to be kept in step with them.
create function partywall.audits_changes() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return exists (
  select from pg_depend as d
   where d.refclassid = 'pg_proc'::regclass
     and d.refobjid = to_regprocedure('partywall.record_change()')
     and d.classid = 'pg_trigger'::regclass
);

-- By whom this transaction is, as the process sealed it: the context of an entry. Whoever may become the owner is who he is.
create function partywall.sealed_actor() returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  said text := current_setting('partywall.actor', true);
  bound text := current_setting('partywall.capability', true);
  seal bytea;
  half integer;
begin
  if said <> '' and bound <> '' then
    select coalesce(
        (select k.inner_pad || k.outer_pad from partywall.audit_keys as k where k.login = session_user),
        (select c.seal from partywall.capabilities as c where c.capability = bound::uuid)
      ) into seal;
    half := octet_length(seal) / 2;
    if encode(
        sha256(substr(seal, half + 1) || sha256(substr(seal, 1, half) || convert_to(concat('partywall actor ', bound::uuid, ' ', substr(said, 66)), 'UTF8'))),
        'hex'
      ) = substr(said, 1, 64) then
      return substr(said, 66);
    end if;
  end if;
  return json_build_object('actor', case when pg_has_role(session_user, 'partywall_owner', 'member')
    then json_build_object('kind', 'system', 'id', session_user)
    else json_build_object('kind', 'unknown', 'id', 'unknown') end)::text;
end
$fn$;
comment on function partywall.sealed_actor() is
  'The actor that the process sealed for this transaction, as JSON; of the kind unknown when there is none or it was not sealed with the capability''s own seal.';

-- A row as the log has it: without what is left out, and by its hash what is to be hashed or is long. Numbers that a double does not hold
-- exactly are text, since most who read JSON read doubles.
-- The hash is SHA-256 of the tenant's 16 bytes and the value's text: the same for equal values of one tenant, and of no two tenants.
create function partywall.audited_row(tenant_id uuid, value jsonb, exclude text[], hash text[]) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $fn$
declare
  kept jsonb := value - exclude;
  spelled text := kept;
begin
  if kept is null or kept = '{}' then
    return kept;
  elsif hash = '{}' and length(spelled) <= 8192 and spelled !~ '\d[\d.]{14}' then
    return kept;
  end if;
  return (
    select jsonb_object_agg(
             e.key,
             case
               when e.value = 'null' then e.value
               when e.key = any (hash) or length(e.value::text) > 8192
                 then to_jsonb('sha256:' || encode(sha256(uuid_send(tenant_id) || convert_to(e.value #>> '{}', 'UTF8')), 'hex'))
               when jsonb_typeof(e.value) = 'number' and length(e.value::text) > 15 then to_jsonb(e.value::text)
               else e.value
             end
           )
      from jsonb_each(kept) as e
  );
end
$fn$;

-- The trigger. Arguments: the table's name, the columns of its key, those left out, those hashed, as text of arrays.
-- It runs as the owner, behind the policies: what it writes is the bound tenant's, or is refused as the change itself would be.
create function partywall.record_change() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  tenant uuid;
  key_columns text[] := tg_argv[1];
  exclude text[] := tg_argv[2];
  hash text[] := tg_argv[3];
  before jsonb;
  after jsonb;
  key jsonb;
  at timestamptz := clock_timestamp();
  entry json;
begin
  -- Rows that are restored, imported or purged as a whole. Nobody else can say so: whoever may become the owner could drop the trigger.
  if current_setting('partywall.audit_changes', true) = 'off' and pg_has_role(session_user, 'partywall_owner', 'member') then
    return null;
  end if;
  if coalesce(current_setting('partywall.capability', true), '') = '' then
    raise exception using errcode = 'PW001', message = format('no tenant is bound to this transaction, and changes of %s are recorded', tg_argv[0]),
      hint = 'Bind the tenant; or, as the owner, for what is no access of a tenant''s: set local partywall.audit_changes = off.';
  end if;
  -- Not partywall.tenant_id(): it would be planned anew in each transaction.
  select b.tenant_id into tenant from partywall.bound as b;
  if tg_op <> 'INSERT' then
    before := to_jsonb(old);
  end if;
  if tg_op <> 'DELETE' then
    after := to_jsonb(new);
  end if;
  select jsonb_object_agg(k.name, coalesce(after, before) -> k.name) into key from unnest(key_columns) as k (name);
  if tg_op = 'UPDATE' then
    -- What an update leaves as it was says nothing; an update that leaves all of it is none. A key that changes is there as it was, too.
    select jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, after -> o.key) into before, after
      from jsonb_each(before) as o
     where o.value <> after -> o.key;
    if before is null then
      return null;
    end if;
  end if;
  entry := json_build_object('at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'operation', lower(tg_op), 'table', tg_argv[0],
    'key', partywall.audited_row(tenant, key, '{}', hash));
  entry := concat(
    left(entry::text, -1),
    ',"before":' || partywall.audited_row(tenant, before, exclude, hash)::text,
    ',"after":' || partywall.audited_row(tenant, after, exclude, hash)::text,
    ',', substr(partywall.sealed_actor(), 2)
  );
  if tg_table_schema = 'app' then
    insert into app.audit_outbox (tenant_id, at, entry) values (tenant, at, entry);
  else
    execute format('insert into %I.audit_outbox (tenant_id, at, entry) values ($1, $2, $3)', tg_table_schema) using tenant, at, entry;
  end if;
  return null;
end
$fn$;

-- In a migration, after create_audit_log(): from now on every change of the table's rows is in the log. Calling it again changes what is
-- left out or hashed, and makes it known that the table has another name.
create function partywall.audit_changes(target regclass, exclude name[] default '{}', hash name[] default '{}') returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $fn$
declare
  here text := partywall.table_name(target);
  schema_name text;
  table_name text;
  tenant_column text;
  key_columns text[];
  outbox text;
  wrong text;
begin
  select n.nspname, c.relname, p.tenant_column into schema_name, table_name, tenant_column
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    left join partywall.protected_tables as p on p.table_name = here
   where c.oid = target and c.relkind in ('r', 'p');
  if tenant_column is null then
    raise exception using errcode = '55000', message = format('%s is not protected: what has no tenant has no audit log', here),
      hint = format('select partywall.protect(%L);', here);
  end if;
  if table_name in ('audit_log', 'audit_outbox') then
    raise exception using errcode = '22023', message = 'the audit log does not record its own changes';
  end if;
  if to_regclass(format('%I.audit_log', schema_name)) is null then
    raise exception using errcode = '55000', message = format('there is no audit log beside %s', here),
      hint = 'select partywall.create_audit_log();';
  end if;
  select array_agg(a.attname::text order by k.place) into key_columns
    from pg_index as i
   cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
   where i.indrelid = target and i.indisprimary and a.attname <> tenant_column;
  if key_columns is null then
    raise exception using errcode = '55000', message = format('%s has no primary key to name its rows by', here);
  end if;
  select string_agg(quote_ident(c.name), ', ') into wrong
    from unnest(exclude || hash) as c (name)
   where not exists (select from pg_attribute as a where a.attrelid = target and a.attname = c.name and a.attnum > 0 and not a.attisdropped);
  if wrong is not null then
    raise exception using errcode = '42703', message = format('%s has no column %s', here, wrong);
  end if;
  if exclude::text[] && key_columns then
    raise exception using errcode = '22023', message = 'a column of the key cannot be left out: nobody would know which row it was',
      hint = 'It can be hashed.';
  end if;

  outbox := format('%I.audit_outbox', schema_name);
  if to_regclass(outbox) is null then
    execute format('create table %s (
        tenant_id uuid not null,
        id uuid not null default partywall.uuidv7(),
        at timestamptz not null,
        entry json not null,
        constraint audit_outbox_pkey primary key (tenant_id, at, id)
      ) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000)', outbox);
    perform partywall.protect(outbox::regclass);
    execute format('revoke all on %s from partywall_app, partywall_tenants', outbox);
    execute format('comment on table %s is %L', outbox, 'Changes that the tenant''s audit log takes in with its next append. Nobody but partywall_owner reads or writes it.');
  end if;
  execute format('drop trigger if exists partywall_audit on %s', here);
  execute format('create trigger partywall_audit after insert or update or delete on %s for each row execute function partywall.record_change(%L, %L, %L, %L)',
    here, table_name, key_columns::text, (exclude::text[] || tenant_column)::text, hash::text);
end
$fn$;
comment on function partywall.audit_changes(regclass, name[], name[]) is
  'In a migration: from now on before and after of every change of the table''s rows are in the tenant''s audit log, but for the columns to leave out, and by their hash those to hash.';

-- Takes what is in the outbox into the log. Called with the tenant's capability bound, and the lock of its chain held: nobody else takes
-- at the same time. What is not committed yet is for the next. @returns how many rows it made.
create function partywall.take_audit_outbox(tenant_id uuid, log regclass, schema_name text) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  outbox text := format('%I.audit_outbox', schema_name);
  payloads text[];
  payload text;
  taken integer;
  appended integer := 0;
begin
  if to_regclass(outbox) is null then
    return 0;
  end if;
  -- Nearly always there is nothing, which must cost next to nothing.
  if schema_name = 'app' then
    perform from app.audit_outbox as o where o.tenant_id = take_audit_outbox.tenant_id limit 1;
    if not found then
      return 0;
    end if;
  end if;
  -- Bounded, so that nobody who appends waits for long: what is left is for the next.
  for round in 1 .. 10 loop
    -- A batch is of ten seconds at most, as those of a process are, and of a quarter of a megabyte.
    execute format(
      'with chosen as (
         select o.at, o.id from %1$s as o where o.tenant_id = $1 order by o.at, o.id limit 1000
       ), gone as (
         delete from %1$s as o using chosen as c where o.tenant_id = $1 and o.at = c.at and o.id = c.id returning o.id, o.at, o.entry::text as entry
       ), sized as (
         select g.id, g.at, g.entry, sum(octet_length(g.entry)) over (order by g.at, g.id) / 262144 as part, floor(extract(epoch from g.at) / 10) as span
           from gone as g
       ), batches as (
         select s.part, s.span, min(s.at) as at, string_agg(s.entry, '','' order by s.at, s.id) as entries from sized as s group by s.part, s.span
       )
       select array_agg(
                concat(''{"v":1,"id":"'', partywall.uuidv7(), ''","at":"'', to_char(b.at at time zone ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS.MS"Z"''),
                  ''","changes":['', b.entries, '']}'')
                order by b.part, b.span
              ),
              (select count(*) from gone)
         from batches as b', outbox)
      into payloads, taken using take_audit_outbox.tenant_id;
    foreach payload in array coalesce(payloads, '{}') loop
      if partywall.append_audit_row(take_audit_outbox.tenant_id, log, payload, false) then
        appended := appended + 1;
      end if;
    end loop;
    exit when taken < 1000;
  end loop;
  return appended;
end
$fn$;

-- The log of another tenant whose rows were restored for this one becomes this one's own: the entries as they were, counted from 1, and
-- chained from this tenant's id. Run by whoever restores, past the policies, before anybody can read it.
create function partywall.rechain_audit_log(log regclass, tenant_id uuid) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  entry record;
  place bigint := 0;
  chained bytea := sha256('partywall audit'::bytea || uuid_send(rechain_audit_log.tenant_id));
begin
  for entry in
    execute format('select a.position, a.payload::text as payload from %s as a where a.tenant_id = $1 order by a.position', log)
      using rechain_audit_log.tenant_id
  loop
    place := place + 1;
    chained := sha256(chained || int8send(place) || convert_to(entry.payload, 'UTF8'));
    execute format('update %s as a set position = $3, hash = $4 where a.tenant_id = $1 and a.position = $2', log)
      using rechain_audit_log.tenant_id, entry.position, place, chained;
  end loop;
end
$fn$;

revoke execute on function
  partywall.audits_changes(), partywall.sealed_actor(), partywall.audited_row(uuid, jsonb, text[], text[]), partywall.record_change(),
  partywall.audit_changes(regclass, name[], name[]), partywall.take_audit_outbox(uuid, regclass, text),
  partywall.rechain_audit_log(regclass, uuid)
  from public;
