-- The queue of each tenant's jobs, and its schedules: ordinary protected tables among the tenant's own. So a job is enqueued in the
-- transaction that wants it done, is fenced with the tenant, moves with it, and is purged with it; and a job of another tenant cannot be
-- written, taken or seen by any statement that runs here.

-- In a migration of the application: makes the queue in the schema where the tenant's tables are.
create function partywall.create_jobs() returns void
language plpgsql volatile
as $fn$
declare
  here text := pg_catalog.quote_ident(pg_catalog.current_schema());
begin
  execute pg_catalog.format('create table %s.queued_jobs (
      tenant_id uuid not null,
      id uuid not null,
      name text collate "C" not null,
      state text collate "C" not null default ''queued'',
      run_at timestamptz not null,
      envelope text not null,
      dedupe_key text collate "C",
      attempt integer not null default 0,
      attempts_max integer not null,
      retry_pause_ms bigint not null,
      hold uuid,
      cancel_asked_at timestamptz,
      progress jsonb,
      error text,
      created_at timestamptz not null default clock_timestamp(),
      died_at timestamptz,
      constraint queued_jobs_pkey primary key (tenant_id, id),
      constraint queued_jobs_name_check check (length(name) between 1 and 100),
      constraint queued_jobs_state_check check (state in (''queued'', ''running'', ''dead'')),
      constraint queued_jobs_hold_check check ((hold is not null) = (state = ''running'')),
      constraint queued_jobs_died_at_check check ((died_at is not null) = (state = ''dead'')),
      constraint queued_jobs_attempts_check check (attempts_max >= 1 and attempt >= 0 and retry_pause_ms >= 0),
      constraint queued_jobs_dedupe_key_check check (length(dedupe_key) between 1 and 300),
      constraint queued_jobs_envelope_check check (octet_length(envelope) <= 1048576)
    )', here);
  execute pg_catalog.format(
    'create index queued_jobs_due_idx on %s.queued_jobs (tenant_id, name, run_at, id) where state in (''queued'', ''running'')', here);
  execute pg_catalog.format(
    'create index queued_jobs_dead_idx on %s.queued_jobs (tenant_id, died_at, id) where state = ''dead''', here);
  execute pg_catalog.format(
    'create unique index queued_jobs_dedupe_key on %s.queued_jobs (tenant_id, name, dedupe_key) where state <> ''dead''', here);
  execute pg_catalog.format('create table %s.job_schedules (
      tenant_id uuid not null,
      key text collate "C" not null,
      name text collate "C" not null,
      cron text not null,
      time_zone text not null,
      jitter_ms bigint not null,
      envelope text not null,
      attempts_max integer not null,
      retry_pause_ms bigint not null,
      next_at timestamptz not null,
      last_at timestamptz,
      constraint job_schedules_pkey primary key (tenant_id, key),
      constraint job_schedules_key_check check (length(key) between 1 and 100),
      constraint job_schedules_envelope_check check (octet_length(envelope) <= 1048576)
    )', here);
  execute pg_catalog.format('create index job_schedules_due_idx on %s.job_schedules (tenant_id, next_at)', here);
  perform partywall.protect(pg_catalog.format('%s.queued_jobs', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.job_schedules', here)::pg_catalog.regclass);
end
$fn$;
comment on function partywall.create_jobs() is
  'In a migration: makes the queue of the tenant''s jobs, and its schedules. Call it once in each schema of tenants.';

revoke execute on function partywall.create_jobs() from public;
