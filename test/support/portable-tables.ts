// Tables with everything that an export has to carry and an import has to take: every kind of value, references up, down and around.

export const portableTables: readonly string[] = [
  `create type mood as enum ('calm', 'cross');
   create domain email as varchar(40) check (value like '%@%');
   create table countries (code text primary key, name text not null);
   insert into countries (code, name) values ('de', 'Germany'), ('fr', 'France');
   create table people (
     tenant_id uuid not null default partywall.tenant_id(),
     id uuid not null default partywall.uuidv7(),
     name varchar(60) not null,
     email email,
     country text references countries (code),
     mood mood not null default 'calm',
     age integer check (age between 0 and 150),
     visits bigint not null default 0,
     balance numeric(18, 4),
     exact numeric,
     height real,
     weight double precision,
     born date,
     wakes time,
     seen_at timestamptz not null default now(),
     local_at timestamp,
     stay interval,
     photo bytea,
     body jsonb not null default '{}',
     raw json,
     tags text[] not null default '{}',
     scores numeric[],
     span int4range,
     active boolean not null default true,
     shout text generated always as (upper(name)) stored,
     constraint people_pkey primary key (tenant_id, id),
     constraint people_name_key unique (tenant_id, name)
   );
   create table tasks (
     tenant_id uuid not null default partywall.tenant_id(),
     id uuid not null default partywall.uuidv7(),
     person_id uuid,
     parent_id uuid,
     title text not null,
     constraint tasks_pkey primary key (tenant_id, id),
     constraint tasks_person_fkey foreign key (tenant_id, person_id) references people (tenant_id, id),
     constraint tasks_parent_fkey foreign key (tenant_id, parent_id) references tasks (tenant_id, id)
   );
   create table passports (
     tenant_id uuid not null default partywall.tenant_id(),
     person_id uuid not null,
     number text not null,
     constraint passports_pkey primary key (tenant_id, person_id),
     constraint passports_person_fkey foreign key (tenant_id, person_id) references people (tenant_id, id)
   );
   create table teams (
     tenant_id uuid not null default partywall.tenant_id(),
     id uuid not null default partywall.uuidv7(),
     lead_id uuid,
     constraint teams_pkey primary key (tenant_id, id)
   );
   create table members (
     tenant_id uuid not null default partywall.tenant_id(),
     id uuid not null default partywall.uuidv7(),
     team_id uuid not null,
     constraint members_pkey primary key (tenant_id, id),
     constraint members_team_fkey foreign key (tenant_id, team_id) references teams (tenant_id, id)
   );
   alter table teams add constraint teams_lead_fkey foreign key (tenant_id, lead_id) references members (tenant_id, id);
   create table events (
     tenant_id uuid not null default partywall.tenant_id(),
     id bigint not null,
     note text,
     constraint events_pkey primary key (tenant_id, id)
   ) partition by range (id);
   create table events_low partition of events for values from (0) to (100);
   create table events_high partition of events for values from (100) to (1000000);
   select partywall.declare_global('countries', 'Countries are the same for everybody.');
   select partywall.protect('people');
   select partywall.protect('tasks');
   select partywall.protect('passports');
   select partywall.protect('teams');
   select partywall.protect('members');
   select partywall.protect('events');`,
]

/** Tables of an application that existed before: a tenant without such keys has nothing in them. */
export const keyedTables: readonly string[] = [
  `create table orders (
     customer bigint not null default partywall.tenant_bigint(),
     id uuid not null default partywall.uuidv7(),
     label text not null,
     constraint orders_pkey primary key (customer, id)
   );
   create table labels (
     account text collate "C" not null default partywall.tenant_text(),
     name text not null,
     "odd ""name" text,
     constraint labels_pkey primary key (account, name)
   );
   select partywall.protect('orders', 'customer');
   select partywall.protect('labels', 'account');`,
]

/** Rows in all of them, as the application writes them: `of` stands in every text, so that a leak speaks. */
export function portableRows(of: string): readonly string[] {
  return [
    `insert into people (name, email, country, mood, age, visits, balance, exact, height, weight, born, wakes, seen_at, local_at, stay, photo, body, raw, tags, scores, span, active)
     select '${of} ' || g, 'p' || g || '@example.com', case when g % 2 = 0 then 'de' end, (array['calm', 'cross']::mood[])[g % 2 + 1], g, 9007199254740993 + g,
            g + 0.1234, '12345678901234567890.1234567890'::numeric + g, g / 3.0, g / 7.0, date '1969-12-25' + g, time '07:30:00.25' + g * interval '1 minute',
            timestamptz '1969-12-31 23:59:59.123456+00' + g * interval '1 day', timestamp '2026-02-28 10:00:00' + g * interval '1 hour',
            g * interval '1 day 02:03:04.5', decode(md5(g::text), 'hex'), jsonb_build_object('of', '${of}', 'n', 12345678901234567890 + g, 'x', 1.50),
            ('{"line":\n' || g || ', "a": 1, "a": 2}')::json, array['a', 'b,"c"', null, '${of}'], array[1.10, null, g], int4range(g, g + 5), g % 3 = 0
       from generate_series(1, 30) as g`,
    `insert into people (name, email, born, seen_at, exact, weight, height) values ('', null, '0044-03-15 BC', 'infinity', 'NaN', '-Infinity', 'NaN')`,
    `insert into people (name, body, tags) values (E'quote " comma , \\n line \\r\\n = é 🙂', '"text"', '{}'), (' =1+1', 'null', '{{a,b},{c,d}}')`,
    `insert into passports (person_id, number) select p.id, '${of} ' || p.age from people as p where p.age < 5`,
    `insert into tasks (person_id, title) select p.id, '${of} task of ' || p.name from people as p`,
    `update tasks as t set parent_id = (select o.id from tasks as o where o.id <> t.id order by o.id desc limit 1)`,
    `with team as (insert into teams default values returning id) insert into members (team_id) select team.id from team, generate_series(1, 3)`,
    `update teams as t set lead_id = (select m.id from members as m where m.team_id = t.id limit 1)`,
    `insert into events (id, note) values (1, '${of}'), (99, ''), (100, null), (99999, '${of} too')`,
  ]
}
