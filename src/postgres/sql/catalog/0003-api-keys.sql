-- API keys of tenants. Run as partywall_owner. The app's login has no privilege here: whoever can inject SQL into the
-- application must not be able to read, make or revive a key.

create table partywall.api_keys (
  prefix text collate "C" not null,
  tenant_id uuid not null,
  secret_hash bytea not null,
  name text not null,
  scopes text[] collate "C" not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  replaced_by text collate "C",
  constraint api_keys_pkey primary key (prefix),
  constraint api_keys_tenant_id_fkey foreign key (tenant_id) references partywall.gates (tenant_id) on delete cascade,
  constraint api_keys_prefix_check check (prefix ~ '^[A-Za-z0-9]{12}$'),
  constraint api_keys_secret_hash_check check (octet_length(secret_hash) = 32)
);
create index api_keys_tenant_id_idx on partywall.api_keys (tenant_id, prefix);
comment on table partywall.api_keys is
  'Hashes of the tenants'' API keys. Made, rotated and revoked by partywall_owner alone; the gatekeeper looks one up by its prefix through partywall.find_api_key().';

-- One key by its exact prefix, also when it has expired or is revoked: the caller says why it refuses.
create function partywall.find_api_key(asked text)
returns table (
  prefix text,
  tenant_id uuid,
  secret_hash bytea,
  name text,
  scopes text[],
  created_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  replaced_by text
)
language sql stable security definer
begin atomic
  select k.prefix, k.tenant_id, k.secret_hash, k.name, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.replaced_by
    from partywall.api_keys as k
   where k.prefix = asked;
end;

-- Marks a key as used, at most once a minute, whoever asks how often.
create function partywall.touch_api_key(used text) returns void
language sql volatile security definer
begin atomic
  update partywall.api_keys as k
     set last_used_at = clock_timestamp()
   where k.prefix = used
     and (k.last_used_at is null or k.last_used_at < clock_timestamp() - interval '1 minute');
end;

revoke execute on function partywall.find_api_key(text), partywall.touch_api_key(text) from public;
grant select (prefix, tenant_id, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by) on partywall.api_keys to partywall_doctor;
grant execute on function partywall.find_api_key(text), partywall.touch_api_key(text) to partywall_gatekeeper;
