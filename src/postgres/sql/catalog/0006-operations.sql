-- The journal of operations: what was done, or is being done, to a tenant as a whole. Run as partywall_owner.

create table partywall.operations (
  id uuid not null,
  tenant_id uuid not null,
  kind text collate "C" not null,
  state text collate "C" not null default 'running',
  cancelling boolean not null default false,
  input jsonb not null,
  steps jsonb not null default '{}',
  actor_kind text collate "C" not null,
  actor_id text not null,
  reason text not null,
  owner text collate "C" not null,
  owned_until timestamptz not null,
  attempt integer not null default 1,
  error jsonb,
  wake_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint operations_pkey primary key (id),
  constraint operations_kind_check check (kind ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){0,47}$'),
  constraint operations_state_check check (state in ('running', 'waiting', 'failed', 'done', 'cancelled')),
  constraint operations_finished_check check ((finished_at is not null) = (state in ('done', 'cancelled'))),
  constraint operations_waiting_check check (state <> 'waiting' or wake_at is not null),
  constraint operations_input_check check (jsonb_typeof(input) = 'object' and octet_length(input::text) <= 1048576),
  constraint operations_steps_check check (jsonb_typeof(steps) = 'object'),
  constraint operations_actor_check check (actor_kind in ('user', 'service', 'staff', 'system') and length(actor_id) <= 1000),
  constraint operations_reason_check check (length(reason) <= 1000),
  constraint operations_attempt_check check (attempt >= 1)
);
-- One operation per tenant at a time. A failed one is not over: it is repeated or undone first.
create unique index operations_open_key on partywall.operations (tenant_id) where state in ('running', 'waiting', 'failed');
create index operations_tenant_id_idx on partywall.operations (tenant_id, id);
create index operations_due_idx on partywall.operations (coalesce(wake_at, owned_until)) where state in ('running', 'waiting');

comment on table partywall.operations is
  'Operations on tenants and how far they have come. Written by partywall_owner alone (through the migrator''s login), read by partywall_gatekeeper. The tenant may be gone, so there is no foreign key. No secret is in it.';
comment on column partywall.operations.cancelling is 'Its steps are being undone, or will be as soon as the step that runs has ended.';
comment on column partywall.operations.steps is 'By the name of the step: {"state", "startedAt", "endedAt", "output"}.';
comment on column partywall.operations.owner is 'The runner that works on it. A write counts only with the owner and the attempt that claimed it.';
comment on column partywall.operations.owned_until is 'Until when the owner is taken to be alive, by this database''s clock. After it anybody may go on.';
comment on column partywall.operations.wake_at is 'When a waiting operation goes on.';

grant select on partywall.operations to partywall_gatekeeper;
grant select (id, tenant_id, kind, state, cancelling, owned_until, attempt, wake_at, created_at, updated_at, finished_at) on partywall.operations
  to partywall_doctor;
