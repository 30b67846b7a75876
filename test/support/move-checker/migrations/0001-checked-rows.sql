-- What the checker writes: rows once, counters, registers of one writer each, and families whose parts come together or not at all.

create table entries (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  writer text not null,
  seq integer not null,
  constraint entries_pkey primary key (tenant_id, id)
);

create table counters (
  tenant_id uuid not null,
  name text not null,
  value integer not null default 0,
  constraint counters_pkey primary key (tenant_id, name)
);

create table registers (
  tenant_id uuid not null,
  writer text not null,
  value integer not null default 0,
  constraint registers_pkey primary key (tenant_id, writer)
);

create table parents (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  writer text not null,
  seq integer not null,
  constraint parents_pkey primary key (tenant_id, id)
);

create table children (
  tenant_id uuid not null,
  id uuid not null default partywall.uuidv7(),
  parent_id uuid not null,
  constraint children_pkey primary key (tenant_id, id),
  constraint children_parent_fkey foreign key (tenant_id, parent_id) references parents (tenant_id, id)
);
create index children_parent_idx on children (tenant_id, parent_id);

create table ballast (
  tenant_id uuid not null,
  id integer not null,
  content text not null,
  constraint ballast_pkey primary key (tenant_id, id)
);

select partywall.protect('entries');
select partywall.protect('counters');
select partywall.protect('registers');
select partywall.protect('parents');
select partywall.protect('children');
select partywall.protect('ballast');
