-- Imports of a tenant's rows: how far each has come, in the transactions that write its rows, so that one which was killed goes on
-- where it was and neither loses nor doubles a row. Run as partywall_owner; read and written by partywall_owner alone.

create table partywall.imports (
  tenant_id uuid not null,
  import_id uuid not null,
  turn bigint not null,
  progress jsonb not null,
  is_done boolean not null default false,
  changed_at timestamptz not null default clock_timestamp(),
  constraint imports_pkey primary key (tenant_id, import_id),
  constraint imports_tenant_id_fkey foreign key (tenant_id) references partywall.gates (tenant_id) on delete cascade,
  constraint imports_turn_check check (turn >= 0)
);
comment on table partywall.imports is
  'How far each import of a tenant''s rows has come. Written by partywall_owner alone, in the transaction that writes the rows.';
comment on column partywall.imports.turn is 'Grows by one in every transaction: of two processes that go on with one import, one finds that it is not its turn.';
