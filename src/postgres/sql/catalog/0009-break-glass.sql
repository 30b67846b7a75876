-- Break-glass: who of the staff there is, and what they were let in for. Run as partywall_owner.
-- The rows here open nothing. A grant is believed for the signatures of two people, whose private keys are with them and whose public keys
-- are also in the secret store: whoever can write these tables can withdraw a grant, and cannot make one.

create table partywall.staff (
  id text collate "C" not null,
  name text not null,
  public_key text collate "C" not null,
  added_by text not null,
  added_at timestamptz not null default clock_timestamp(),
  removed_at timestamptz,
  constraint staff_pkey primary key (id),
  constraint staff_public_key_key unique (public_key),
  constraint staff_id_check check (id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  constraint staff_name_check check (length(name) between 1 and 200 and btrim(name) <> ''),
  constraint staff_public_key_check check (public_key ~ '^[A-Za-z0-9_-]{43}$')
);
comment on table partywall.staff is
  'People who may ask for a grant or approve one, with their Ed25519 public keys (RFC 8032; base64url). Nobody is deleted: a removed one stays, so that what was signed can be read. Written by partywall_owner, read by partywall_gatekeeper.';

create table partywall.break_glass_grants (
  id uuid not null,
  tenant_id uuid not null,
  scope text collate "C" not null,
  minutes integer not null,
  reason text not null,
  ticket text not null,
  state text collate "C" not null default 'requested',
  requested_by text collate "C" not null,
  requested_at timestamptz not null,
  request_signature text collate "C" not null,
  decided_by text collate "C",
  decided_at timestamptz,
  decision_signature text collate "C",
  expires_at timestamptz,
  opened_at timestamptz,
  ended_at timestamptz,
  ended_by text,
  constraint break_glass_grants_pkey primary key (id),
  constraint break_glass_grants_requested_by_fkey foreign key (requested_by) references partywall.staff (id),
  constraint break_glass_grants_decided_by_fkey foreign key (decided_by) references partywall.staff (id),
  constraint break_glass_grants_scope_check check (scope in ('read_only', 'read_write')),
  constraint break_glass_grants_minutes_check check (minutes between 1 and 240),
  constraint break_glass_grants_reason_check check (length(btrim(reason)) >= 10 and length(reason) <= 1000),
  constraint break_glass_grants_ticket_check check (length(btrim(ticket)) >= 1 and length(ticket) <= 200),
  constraint break_glass_grants_state_check check (state in ('requested', 'approved', 'denied', 'open', 'ended', 'expired', 'revoked')),
  constraint break_glass_grants_two_people_check check (decided_by <> requested_by),
  constraint break_glass_grants_decided_check check (
    (decided_by is null) = (decided_at is null) and (decided_by is null) = (decision_signature is null)
    and (state not in ('approved', 'denied', 'open') or decided_by is not null)
  ),
  constraint break_glass_grants_expires_at_check check (
    (state not in ('approved', 'open') or expires_at is not null)
    and (expires_at is null or expires_at = decided_at + minutes * interval '1 minute')
  ),
  constraint break_glass_grants_opened_check check (state <> 'open' or opened_at is not null),
  constraint break_glass_grants_ended_check check ((state in ('denied', 'ended', 'expired', 'revoked')) = (ended_at is not null))
);
create index break_glass_grants_tenant_id_idx on partywall.break_glass_grants (tenant_id, requested_at);
create index break_glass_grants_due_idx on partywall.break_glass_grants (expires_at) where state in ('approved', 'open');
comment on table partywall.break_glass_grants is
  'Who of the staff was let at which tenant''s data, why, by whom, and until when. What was signed never changes, and no row is deleted: the tenant may be gone, so there is no foreign key. Written by partywall_owner, read by partywall_gatekeeper.';

-- What the database can see of the rules. That the two people are who they say, it cannot: their signatures are checked at every use.
create function partywall.check_grant() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $fn$
begin
  if tg_op <> 'INSERT' and tg_op <> 'UPDATE' then
    raise exception using errcode = '42501', message = 'grants are kept: none is deleted';
  end if;
  if tg_op = 'INSERT' then
    if new.state <> 'requested' or new.decided_by is not null then
      raise exception using errcode = '23514', message = 'a grant begins as a request';
    end if;
    if new.requested_at not between clock_timestamp() - interval '5 minutes' and clock_timestamp() + interval '1 minute' then
      raise exception using errcode = '23514', message = 'the clock of whoever asks is minutes off';
    end if;
    return new;
  end if;
  if (new.id, new.tenant_id, new.scope, new.minutes, new.reason, new.ticket, new.requested_by, new.requested_at, new.request_signature)
    is distinct from
    (old.id, old.tenant_id, old.scope, old.minutes, old.reason, old.ticket, old.requested_by, old.requested_at, old.request_signature) then
    raise exception using errcode = '42501', message = 'what was asked for is signed, and never changes';
  end if;
  if old.state <> 'requested'
    and (new.decided_by, new.decided_at, new.decision_signature, new.expires_at)
      is distinct from (old.decided_by, old.decided_at, old.decision_signature, old.expires_at) then
    raise exception using errcode = '42501', message = 'what was decided is signed, and never changes';
  end if;
  if not (
    (old.state = 'requested' and new.state in ('approved', 'denied', 'revoked', 'expired'))
    or (old.state = 'approved' and new.state in ('open', 'revoked', 'expired'))
    or (old.state = 'open' and new.state in ('ended', 'revoked', 'expired'))
  ) then
    raise exception using errcode = '23514', message = format('a grant does not go from %s to %s', old.state, new.state);
  end if;
  if new.state in ('approved', 'denied')
    and new.decided_at not between clock_timestamp() - interval '5 minutes' and clock_timestamp() + interval '1 minute' then
    raise exception using errcode = '23514', message = 'the clock of whoever decides is minutes off';
  end if;
  if new.state = 'open' and old.expires_at <= clock_timestamp() then
    raise exception using errcode = '23514', message = 'the grant has expired';
  end if;
  return new;
end
$fn$;
create trigger break_glass_grants_check before insert or update or delete on partywall.break_glass_grants
  for each row execute function partywall.check_grant();
create trigger break_glass_grants_kept before truncate on partywall.break_glass_grants
  for each statement execute function partywall.check_grant();

-- The way of a grant that needs no signature, for processes that serve: it is opened by who has it, it is given back, or it is over.
-- @returns whether it went that way now.
create function partywall.advance_grant(grant_id uuid, state text, by text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $fn$
begin
  case advance_grant.state
    when 'open' then
      update partywall.break_glass_grants as g set state = 'open', opened_at = clock_timestamp()
       where g.id = advance_grant.grant_id and g.state = 'approved' and g.expires_at > clock_timestamp();
    when 'ended' then
      update partywall.break_glass_grants as g set state = 'ended', ended_at = clock_timestamp(), ended_by = advance_grant.by
       where g.id = advance_grant.grant_id and g.state = 'open';
    when 'expired' then
      -- A request that nobody answers in a day is over as well.
      update partywall.break_glass_grants as g set state = 'expired', ended_at = clock_timestamp(), ended_by = advance_grant.by
       where g.id = advance_grant.grant_id
         and ((g.state in ('approved', 'open') and g.expires_at <= clock_timestamp())
           or (g.state = 'requested' and g.requested_at <= clock_timestamp() - interval '1 day'));
    else
      raise exception using errcode = '22023', message = 'a grant is opened, ended or expired so';
  end case;
  return found;
end
$fn$;

grant select on partywall.staff, partywall.break_glass_grants to partywall_gatekeeper;
revoke execute on function partywall.check_grant(), partywall.advance_grant(uuid, text, text) from public;
grant execute on function partywall.advance_grant(uuid, text, text) to partywall_gatekeeper;
