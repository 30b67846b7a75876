-- The wall for tables of an application that existed before: they know a tenant by a bigint or a text of their own, not by a uuid.
-- Run as partywall_owner. Beside partywall.bound (0001-wall.sql) stands one view for each type, with the same promise: the key of the
-- tenant that is bound, or an error. A tenant that has no key of the type has no rows in such a table, and is told so; it is never
-- compared with null.

-- Why there is no key. It always raises.
create function partywall.refuse_key(key_type text) returns text
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $fn$
begin
  if not exists (
    select from partywall.capabilities as c
     where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
       and c.expires_at > statement_timestamp()
       and c.is_readable
  ) then
    perform partywall.refuse();
  end if;
  raise exception using errcode = 'PW008', message = format('the tenant has no key of type %s', key_type),
    hint = 'The table knows tenants by a key of that type. Give the tenant its key in the catalog.';
end
$fn$;

-- The slow path of writes to such tables. It raises, or returns the key: the gate may be `moving`.
create function partywall.refuse_write_key(key_type text) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  tenant uuid := partywall.refuse_write();
  key text;
begin
  select case key_type when 'bigint' then g.key_bigint::text when 'text' then g.key_text end into key
    from partywall.gates as g
   where g.tenant_id = tenant;
  if key is null then
    perform partywall.refuse_key(key_type);
  end if;
  return key;
end
$fn$;

create view partywall.bound_bigint with (security_barrier = true) as
select coalesce(
         (
           select c.key_bigint
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_readable
         ),
         partywall.refuse_key('bigint')::bigint
       ) as tenant_id;
comment on view partywall.bound_bigint is 'As partywall.bound, for tables whose tenant column is bigint.';

create view partywall.bound_text with (security_barrier = true) as
select coalesce(
         (
           select c.key_text
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_readable
         ),
         partywall.refuse_key('text')
       ) collate "C" as tenant_id;
comment on view partywall.bound_text is 'As partywall.bound, for tables whose tenant column is text collate "C".';

create view partywall.bound_bigint_for_writing with (security_barrier = true) as
select coalesce(
         (
           select c.key_bigint
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_writable
         ),
         partywall.refuse_write_key('bigint')::bigint
       ) as tenant_id;
comment on view partywall.bound_bigint_for_writing is 'As partywall.bound_for_writing, for tables whose tenant column is bigint.';

create view partywall.bound_text_for_writing with (security_barrier = true) as
select coalesce(
         (
           select c.key_text
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_writable
         ),
         partywall.refuse_write_key('text')
       ) collate "C" as tenant_id;
comment on view partywall.bound_text_for_writing is 'As partywall.bound_for_writing, for tables whose tenant column is text collate "C".';

-- For column defaults and people.
create function partywall.tenant_bigint() returns bigint
language sql stable parallel safe security definer
begin atomic
  select b.tenant_id from partywall.bound_bigint as b;
end;
comment on function partywall.tenant_bigint() is 'The bigint key of the tenant whose capability is bound to this transaction.';

create function partywall.tenant_text() returns text
language sql stable parallel safe security definer
begin atomic
  select b.tenant_id from partywall.bound_text as b;
end;
comment on function partywall.tenant_text() is 'The text key of the tenant whose capability is bound to this transaction.';

revoke execute on all functions in schema partywall from public;
-- What a view calls is called with the reader's rights. The refusals tell only of the capability that the caller has bound.
grant select on
  partywall.bound_bigint, partywall.bound_bigint_for_writing, partywall.bound_text, partywall.bound_text_for_writing
  to partywall_app, partywall_tenants;
grant execute on function
  partywall.tenant_bigint(), partywall.tenant_text(), partywall.refuse_key(text), partywall.refuse_write_key(text)
  to partywall_app, partywall_tenants;
