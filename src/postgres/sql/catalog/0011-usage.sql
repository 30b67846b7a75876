-- How much each tenant has used, by the hour: for bills and limits. Run as partywall_owner.

create table partywall.usage (
  tenant_id uuid not null,
  hour timestamptz not null,
  metric text collate "C" not null,
  amount double precision not null,
  constraint usage_pkey primary key (tenant_id, hour, metric),
  constraint usage_metric_check check (metric ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint usage_amount_check check (amount >= 0 and amount < 'infinity')
);
create index usage_hour_idx on partywall.usage (hour);
comment on table partywall.usage is
  'What tenants have used in each hour, UTC, by metric. Written by partywall_gatekeeper through add_usage(), deleted through trim_usage() and when a tenant is off-boarded: bills are made before.';

create table partywall.usage_sources (
  source uuid not null,
  number bigint not null,
  written_at timestamptz not null default clock_timestamp(),
  constraint usage_sources_pkey primary key (source)
);
comment on table partywall.usage_sources is 'The last batch of each process that was added, so that one that is sent again is not counted again. Old ones are deleted by trim_usage().';

-- Adds a batch. One that was added before is not added again; tenants that are being off-boarded are left out.
-- @returns whether it was added now.
create function partywall.add_usage(source uuid, number bigint, age_ms bigint, tenant_ids uuid[], metrics text[], amounts double precision[])
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  used_at timestamptz := clock_timestamp() - least(greatest(add_usage.age_ms, 0), 604800000) * interval '1 millisecond';
begin
  insert into partywall.usage_sources as s (source, number) values (add_usage.source, add_usage.number)
      on conflict on constraint usage_sources_pkey do update set number = excluded.number, written_at = clock_timestamp()
   where s.number < excluded.number;
  if not found then
    return false;
  end if;
  insert into partywall.usage as u (tenant_id, hour, metric, amount)
  select a.tenant_id, date_trunc('hour', used_at, 'UTC'), a.metric, sum(a.amount)
    from unnest(add_usage.tenant_ids, add_usage.metrics, add_usage.amounts) as a (tenant_id, metric, amount)
    join partywall.tenants as t on t.id = a.tenant_id and t.status <> 'offboarding'
   group by a.tenant_id, a.metric
   order by a.tenant_id, a.metric
      on conflict on constraint usage_pkey do update set amount = u.amount + excluded.amount;
  return true;
end
$fn$;

-- Deletes what is older than `days`, and sources that have not been heard of for as long.
-- @returns how many hours of tenants and metrics.
create function partywall.trim_usage(days integer) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
declare
  before timestamptz := clock_timestamp() - greatest(trim_usage.days, 1) * interval '1 day';
  trimmed bigint;
begin
  delete from partywall.usage_sources where written_at < before;
  delete from partywall.usage where hour < before;
  get diagnostics trimmed = row_count;
  return trimmed;
end
$fn$;

-- @returns what a tenant, or every tenant, has used from one moment to another: by `hour`, `day` or `month`, UTC.
create function partywall.read_usage(of_tenant uuid, since timestamptz, until timestamptz, by text)
returns table (tenant_id uuid, "from" timestamptz, metric text, amount double precision)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $fn$
  select u.tenant_id, date_trunc(read_usage.by, u.hour, 'UTC'), u.metric, sum(u.amount)
    from partywall.usage as u
   where (read_usage.of_tenant is null or u.tenant_id = read_usage.of_tenant)
     and u.hour >= read_usage.since
     and u.hour < read_usage.until
   group by u.tenant_id, date_trunc(read_usage.by, u.hour, 'UTC'), u.metric
   order by date_trunc(read_usage.by, u.hour, 'UTC'), u.tenant_id, u.metric
$fn$;

revoke execute on function partywall.add_usage(uuid, bigint, bigint, uuid[], text[], double precision[]), partywall.trim_usage(integer),
  partywall.read_usage(uuid, timestamptz, timestamptz, text) from public;
grant execute on function partywall.add_usage(uuid, bigint, bigint, uuid[], text[], double precision[]), partywall.trim_usage(integer),
  partywall.read_usage(uuid, timestamptz, timestamptz, text) to partywall_gatekeeper;
