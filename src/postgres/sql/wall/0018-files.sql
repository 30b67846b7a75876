-- The index of each tenant's files: ordinary protected tables among the tenant's own, so that they move, are backed up, exported and purged
-- with the tenant. The bytes are elsewhere, under object_id; an object that is not named here is no file. What is used is counted in the
-- transaction that names a file, behind the lock of the one row of its tenant, so that those who come at once cannot go over together.

-- In a migration of the application: makes the index in the schema where the tenant's tables are.
create function partywall.create_files() returns void
language plpgsql volatile
as $fn$
declare
  here text := pg_catalog.quote_ident(pg_catalog.current_schema());
begin
  execute pg_catalog.format('create table %s.stored_files (
      tenant_id uuid not null,
      key text collate "C" not null,
      object_id uuid not null,
      region text not null,
      bytes bigint not null,
      content_type text not null,
      sha256 bytea not null,
      created_at timestamptz not null default now(),
      constraint stored_files_pkey primary key (tenant_id, key),
      constraint stored_files_object_key unique (tenant_id, object_id),
      constraint stored_files_key_check check (length(key) between 1 and 1031),
      constraint stored_files_bytes_check check (bytes >= 0),
      constraint stored_files_sha256_check check (octet_length(sha256) = 32)
    )', here);
  execute pg_catalog.format('create index stored_files_region_idx on %s.stored_files (tenant_id, region)', here);
  execute pg_catalog.format('create table %s.stored_files_usage (
      tenant_id uuid not null,
      files bigint not null,
      bytes bigint not null,
      constraint stored_files_usage_pkey primary key (tenant_id)
    )', here);
  perform partywall.protect(pg_catalog.format('%s.stored_files', here)::pg_catalog.regclass);
  perform partywall.protect(pg_catalog.format('%s.stored_files_usage', here)::pg_catalog.regclass);
end
$fn$;
comment on function partywall.create_files() is
  'In a migration: makes the index of the tenant''s files, and what they use. Call it once in each schema of tenants.';

revoke execute on function partywall.create_files() from public;
