-- Users and documents. Both stand behind the wall: the tenant is first in every key, and protect() does the rest.
set local lock_timeout = '5s';

create table app.users (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  email text not null,
  name text not null,
  created_at timestamptz not null default now(),
  constraint users_pkey primary key (tenant_id, id),
  constraint users_email_key unique (tenant_id, email)
);
comment on table app.users is 'People of a tenant. Read and written by the app, for the bound tenant alone.';

create table app.documents (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  title text not null,
  content text not null default '',
  author_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint documents_pkey primary key (tenant_id, id),
  constraint documents_author_fkey foreign key (tenant_id, author_id)
    references app.users (tenant_id, id) on delete set null (author_id)
);
create index documents_author_idx on app.documents (tenant_id, author_id);
comment on table app.documents is 'What a tenant has written. Read and written by the app, for the bound tenant alone.';

select partywall.protect('app.users');
select partywall.protect('app.documents');
