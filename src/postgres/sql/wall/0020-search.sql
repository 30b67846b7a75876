-- What of a tenant's can be searched: an ordinary protected table among the tenant's own, that moves, is backed up and is purged with it.
-- Behind policies PostgreSQL uses an index only for operators whose function is known not to tell what it sees (LEAKPROOF). The installation
-- says that of full text's `@@`; without it a search is right, and reads every document of its tenant.

-- In a migration of the application: makes the index in the schema where the tenant's tables are.
create function partywall.create_search() returns void
language plpgsql volatile
as $fn$
declare
  here text := pg_catalog.quote_ident(pg_catalog.current_schema());
begin
  execute pg_catalog.format('create table %s.search_documents (
      tenant_id uuid not null,
      collection text collate "C" not null,
      id text collate "C" not null,
      title text not null,
      body text not null,
      language text collate "C" not null,
      attributes jsonb not null,
      words tsvector not null,
      grams tsvector not null,
      round bigint not null,
      updated_at timestamptz not null default now(),
      constraint search_documents_pkey primary key (tenant_id, collection, id),
      constraint search_documents_collection_check check (length(collection) between 1 and 100),
      constraint search_documents_id_check check (length(id) between 1 and 300),
      constraint search_documents_attributes_check check (jsonb_typeof(attributes) = ''object'')
    )', here);
  execute pg_catalog.format('create index search_documents_words_idx on %s.search_documents using gin (words)', here);
  execute pg_catalog.format('create index search_documents_grams_idx on %s.search_documents using gin (grams)', here);
  perform partywall.protect(pg_catalog.format('%s.search_documents', here)::pg_catalog.regclass);
end
$fn$;
comment on function partywall.create_search() is
  'In a migration: makes the index of what can be searched of a tenant''s. Call it once in each schema of tenants.';

revoke execute on function partywall.create_search() from public;
