-- Where work waits: which tenants have jobs or events, and from when on. Run as partywall_owner.
-- The work itself is in each tenant's own place; a mark only says that it is worth a visit there, so that nobody has to visit them all. A mark
-- may be one too many, never one too few for long: it is written before the work is committed, outlives visits that find nothing for two
-- minutes, and every tenant is marked by a sweep now and then.

create table partywall.work_marks (
  kind text collate "C" not null,
  tenant_id uuid not null,
  due_at timestamptz not null,
  again_at timestamptz,
  marked_at timestamptz not null default clock_timestamp(),
  hold uuid,
  held_until timestamptz,
  constraint work_marks_pkey primary key (kind, tenant_id),
  constraint work_marks_kind_check check (kind ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint work_marks_held_check check ((hold is null) = (held_until is null))
);
create index work_marks_due_idx on partywall.work_marks (kind, due_at);
comment on table partywall.work_marks is
  'Tenants with work that waits, by its kind. Written by partywall_gatekeeper through mark_work(), take_work(), settle_work() and sweep_work(). The tenant may be gone, so there is no foreign key: whoever visits it finds out, and settles.';
comment on column partywall.work_marks.again_at is 'Marked while it was held: whoever holds it may have looked before.';
comment on column partywall.work_marks.hold is 'Of who is looking after it. A settlement counts only with the hold that the mark was taken by.';

create table partywall.work_sweeps (
  kind text collate "C" not null,
  swept_at timestamptz not null,
  constraint work_sweeps_pkey primary key (kind)
);
comment on table partywall.work_sweeps is 'When every tenant was marked last, by the kind of work. Written through sweep_work().';

-- Says that each of `tenant_ids` has work, `due_in_ms` from now on.
create function partywall.mark_work(kind text, tenant_ids uuid[], due_in_ms bigint[]) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
  insert into partywall.work_marks as m (kind, tenant_id, due_at)
  select mark_work.kind, w.tenant_id, clock_timestamp() + min(w.due_in) * interval '1 millisecond'
    from unnest(mark_work.tenant_ids, mark_work.due_in_ms) as w (tenant_id, due_in)
   group by w.tenant_id
   order by w.tenant_id
      on conflict on constraint work_marks_pkey do update
     set due_at = case when m.hold is null then least(m.due_at, excluded.due_at) else m.due_at end,
         again_at = case when m.hold is null then null else least(coalesce(m.again_at, excluded.due_at), excluded.due_at) end,
         marked_at = excluded.marked_at
$fn$;

-- Takes up to `tenants_max` marks that are due, those that waited longest first, and holds them for `hold_ms`.
create function partywall.take_work(kind text, tenants_max integer, hold_ms bigint, except_for uuid[])
returns table (tenant_id uuid, hold uuid)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
  with due as (
    select m.kind, m.tenant_id
      from partywall.work_marks as m
     where m.kind = take_work.kind
       and m.due_at <= clock_timestamp()
       and (m.held_until is null or m.held_until <= clock_timestamp())
       and m.tenant_id <> all (take_work.except_for)
     order by m.due_at
     limit take_work.tenants_max
       for update skip locked
  )
  update partywall.work_marks as m
     set hold = gen_random_uuid(), held_until = clock_timestamp() + take_work.hold_ms * interval '1 millisecond', again_at = null
    from due
   where m.kind = due.kind and m.tenant_id = due.tenant_id
  returning m.tenant_id, m.hold
$fn$;

-- Gives back what was taken: the tenant is due again in `due_in_ms`, or, by null, as far as its visitor knows, never. What is young is
-- looked at again even so, at growing intervals: its transaction may not have been committed when the visitor looked.
-- @returns how many of them were still held by these holds.
create function partywall.settle_work(kind text, tenant_ids uuid[], holds uuid[], due_in_ms bigint[]) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
  with settled as (
    select m.tenant_id,
           least(
             m.again_at,
             clock_timestamp() + s.due_in * interval '1 millisecond',
             case when m.marked_at > clock_timestamp() - interval '2 minutes'
               then clock_timestamp() + greatest(interval '1 second', clock_timestamp() - m.marked_at) end
           ) as due_at
      from unnest(settle_work.tenant_ids, settle_work.holds, settle_work.due_in_ms) as s (tenant_id, hold, due_in)
      join partywall.work_marks as m on m.kind = settle_work.kind and m.tenant_id = s.tenant_id and m.hold = s.hold
     order by m.tenant_id
       for update of m
  ), done as (
    delete from partywall.work_marks as m using settled
     where settled.due_at is null and m.kind = settle_work.kind and m.tenant_id = settled.tenant_id
    returning 1
  ), kept as (
    update partywall.work_marks as m
       set due_at = settled.due_at, again_at = null, hold = null, held_until = null
      from settled
     where settled.due_at is not null and m.kind = settle_work.kind and m.tenant_id = settled.tenant_id
    returning 1
  )
  select (select count(*) from done) + (select count(*) from kept)
$fn$;

-- Marks every tenant that is served, spread over the coming half of `every_ms`, if nobody has done it in the last `every_ms`.
-- @returns whether it was done now.
create function partywall.sweep_work(kind text, every_ms bigint) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
begin
  insert into partywall.work_sweeps as s (kind, swept_at) values (sweep_work.kind, clock_timestamp())
      on conflict on constraint work_sweeps_pkey do update set swept_at = excluded.swept_at
   where s.swept_at <= clock_timestamp() - sweep_work.every_ms * interval '1 millisecond';
  if not found then
    return false;
  end if;
  -- Marked long ago, so that a visit which finds nothing is the last.
  insert into partywall.work_marks (kind, tenant_id, due_at, marked_at)
  select sweep_work.kind, t.id, clock_timestamp() + random() * sweep_work.every_ms / 2 * interval '1 millisecond', '-infinity'
    from partywall.tenants as t
   where t.status = 'active'
      on conflict on constraint work_marks_pkey do nothing;
  return true;
end
$fn$;

revoke execute on function partywall.mark_work(text, uuid[], bigint[]), partywall.take_work(text, integer, bigint, uuid[]),
  partywall.settle_work(text, uuid[], uuid[], bigint[]), partywall.sweep_work(text, bigint) from public;
grant execute on function partywall.mark_work(text, uuid[], bigint[]), partywall.take_work(text, integer, bigint, uuid[]),
  partywall.settle_work(text, uuid[], uuid[], bigint[]), partywall.sweep_work(text, bigint) to partywall_gatekeeper;
