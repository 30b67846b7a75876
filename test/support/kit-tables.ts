// Tables of all kinds, as one migration, for the isolation kit to find its way in: enumerations, domains, checks, arrays, ranges, keys that
// are composed, partitions, references to themselves, tenants known by a number or a text, a trigger, a view.

export const kitTables = `
create type app.state as enum ('open', 'closed');
create domain app.email as text check (value ~ '^[^@]+@[^@]+$');
create table countries (code text primary key, name text not null);
insert into countries (code, name) values ('de', 'Germany'), ('nl', 'Netherlands');
select partywall.declare_global('countries', 'Countries are the same for everybody.');
create table teams (
  tenant_id uuid not null, id uuid not null default partywall.uuidv7(), slug varchar(12) not null, country text not null references countries (code), parent uuid,
  primary key (tenant_id, id), unique (tenant_id, slug),
  foreign key (tenant_id, parent) references teams (tenant_id, id)
);
create table people (
  tenant_id uuid not null, id uuid not null default partywall.uuidv7(), team_id uuid not null, mail app.email not null, state app.state not null default 'open',
  tags text[] not null default '{}', props jsonb not null default '{}', age smallint check (age between 18 and 99), salary numeric(10,2) check (salary > 0), born date, active boolean not null default true,
  full_text tsvector generated always as (to_tsvector('simple', mail::text)) stored, amount int4range, ip inet, raw bytea, kind text not null check (kind in ('a', 'b')),
  created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
  primary key (tenant_id, id), unique (tenant_id, mail),
  foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete restrict
);
create index people_team on people (tenant_id, team_id);
create index people_text on people using gin (full_text);
create table bookings (
  tenant_id uuid not null, id uuid not null default partywall.uuidv7(), person_id uuid not null, room text not null, seats integer not null, during tstzrange not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, person_id) references people (tenant_id, id) on delete cascade
);
create table events (
  tenant_id uuid not null, id uuid not null default partywall.uuidv7(), at timestamptz not null, what text not null,
  primary key (tenant_id, id, at)
) partition by range (at);
create table events_old partition of events for values from ('2000-01-01') to ('2023-01-01');
create table events_new partition of events for values from ('2023-01-01') to ('2100-01-01');
create table counters (tenant_id uuid not null, name text not null, value bigint not null, primary key (tenant_id, name));
create table line_items (tenant_id uuid not null, order_no integer not null, line_no integer not null, qty integer not null, primary key (tenant_id, order_no, line_no));
create table accounts (
  account bigint not null, id uuid not null default partywall.uuidv7(), label text not null,
  primary key (account, id)
);
create table sites (
  org text collate "C" not null, id uuid not null default partywall.uuidv7(), label text not null,
  primary key (org, id)
);
create function touch() returns trigger language plpgsql as $$ begin new.updated_at := clock_timestamp(); return new; end $$;
create trigger people_touch before update on people for each row execute function touch();
select partywall.protect('teams'); select partywall.protect('people'); select partywall.protect('bookings'); select partywall.protect('events'); select partywall.protect('counters'); select partywall.protect('line_items');
select partywall.protect('accounts', 'account'); select partywall.protect('sites', 'org');
create view open_people with (security_invoker = true) as select * from people where state = 'open';
grant select on open_people to partywall_app;
`
