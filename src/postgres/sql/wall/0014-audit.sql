-- The audit log of each tenant: an ordinary protected table among the tenant's own, so that it moves, is backed up, exported and purged
-- with the tenant. Only partywall_owner writes it, through append_audit(); the app reads the bound tenant's own entries and changes none.
--
-- Each entry's hash covers the one before it, its position and its exact text:
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
revoke execute on function partywall.create_audit_log() from public;
