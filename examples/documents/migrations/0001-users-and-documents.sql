-- Users and documents. Both stand behind the wall: the tenant is first in every key, and protect() does the rest.

create table users (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  email text not null,
  name text not null,
  created_at timestamptz not null default now(),
  constraint users_pkey primary key (tenant_id, id),
  constraint users_email_key unique (tenant_id, email)
);
comment on table users is 'People of a tenant. Read and written by the app, for the bound tenant alone.';

create table documents (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  title text not null,
  content text not null default '',
  author_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint documents_pkey primary key (tenant_id, id),
  constraint documents_author_fkey foreign key (tenant_id, author_id)
    references users (tenant_id, id) on delete set null (author_id)
);
create index documents_author_idx on documents (tenant_id, author_id);
comment on table documents is 'What a tenant has written. Read and written by the app, for the bound tenant alone.';

select partywall.protect('users');
select partywall.protect('documents');
