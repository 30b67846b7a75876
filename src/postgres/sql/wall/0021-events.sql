-- Events of each tenant: what it has published and not everybody has had yet (outbox_events), who wants what (event_subscribers), what each
-- has had (inbox_events), what could not be delivered (event_deliveries: to be tried again, or dead), and where webhooks go
-- (webhook_endpoints). Ordinary protected tables among the tenant's own: an event is published in the transaction that makes it true, is
-- fenced with the tenant, moves with it and is purged with it.

-- In a migration of the application: makes the tables of events in the schema where the tenant's tables are.
create function partywall.create_events() returns void
language plpgsql volatile
as $fn$
declare
  here text := pg_catalog.quote_ident(pg_catalog.current_schema());
begin
  -- seq: microseconds by the clock of this database, at the statement. Who publishes after waiting for another's lock has the later one.
  execute pg_catalog.format('create table %s.outbox_events (
      tenant_id uuid not null,
      id uuid not null,
      seq bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint,
      type text collate "C" not null,
      subject text collate "C",
      envelope text not null,
      constraint outbox_events_pkey primary key (tenant_id, id),
      constraint outbox_events_type_check check (length(type) between 1 and 100),
      constraint outbox_events_subject_check check (length(subject) between 1 and 1024),
      constraint outbox_events_envelope_check check (octet_length(envelope) <= 1048576)
    )', here);
  execute pg_catalog.format('create index outbox_events_seq_idx on %s.outbox_events (tenant_id, seq, id)', here);
  -- Nothing with a seq up to floor_seq is left for the subscriber. was_lost: who had it in hand before did not let go of it.
  execute pg_catalog.format('create table %s.event_subscribers (
      tenant_id uuid not null,
      name text collate "C" not null,
      types text[] collate "C" not null,
      floor_seq bigint not null default 0,
      hold uuid,
      held_until timestamptz,
      was_lost boolean not null default false,
      constraint event_subscribers_pkey primary key (tenant_id, name),
      constraint event_subscribers_name_check check (length(name) between 1 and 100),
      constraint event_subscribers_held_check check ((hold is null) = (held_until is null))
    )', here);
  execute pg_catalog.format('create table %s.inbox_events (
      tenant_id uuid not null,
      subscriber text collate "C" not null,
      event_id uuid not null,
      received_at timestamptz not null default clock_timestamp(),
      constraint inbox_events_pkey primary key (tenant_id, subscriber, event_id)
    )', here);
  execute pg_catalog.format('create index inbox_events_event_idx on %s.inbox_events (tenant_id, event_id)', here);
  -- line: what the order is kept within.
  execute pg_catalog.format('create table %s.event_deliveries (
      tenant_id uuid not null,
      subscriber text collate "C" not null,
      event_id uuid not null,
      seq bigint not null,
      line text collate "C" not null,
      attempt integer not null,
      due_at timestamptz not null,
      error text,
      died_at timestamptz,
      constraint event_deliveries_pkey primary key (tenant_id, subscriber, event_id),
      constraint event_deliveries_attempt_check check (attempt >= 0)
    )', here);
  execute pg_catalog.format(
    'create index event_deliveries_due_idx on %s.event_deliveries (tenant_id, subscriber, line, due_at) where died_at is null', here);
  execute pg_catalog.format(
    'create index event_deliveries_dead_idx on %s.event_deliveries (tenant_id, event_id, subscriber) where died_at is not null', here);
  -- types: empty for all. old_secret signs beside the new one for a while.
  execute pg_catalog.format('create table %s.webhook_endpoints (
      tenant_id uuid not null,
      id uuid not null,
      url text not null,
      types text[] collate "C" not null,
      secret text not null,
      old_secret text,
      old_secret_until timestamptz,
      created_at timestamptz not null default clock_timestamp(),
      failing_since timestamptz,
      disabled_at timestamptz,
      constraint webhook_endpoints_pkey primary key (tenant_id, id),
      constraint webhook_endpoints_url_check check (length(url) between 1 and 2048)
    )', here);
  perform partywall.protect(pg_catalog.format('%s.outbox_events', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.event_subscribers', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.inbox_events', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.event_deliveries', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.webhook_endpoints', here)::pg_catalog.regclass);
end
$fn$;
comment on function partywall.create_events() is
  'In a migration: makes the tables of the tenant''s events. Call it once in each schema of tenants.';

revoke execute on function partywall.create_events() from public;
