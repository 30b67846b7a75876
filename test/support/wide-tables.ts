// Tables with every kind of column and of tenant key that a copy has to carry, and rows that are hard to carry.

import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import type { Fleet } from './fleet.ts'
import { tables } from './plain-migrations.ts'

export const wideTables: readonly string[] = [
  ...tables,
  `create table wide (
     tenant_id uuid not null,
     id uuid not null default partywall.uuidv7(),
     "Te""xt" text,
     bytes bytea,
     document jsonb,
     words text[],
     amount numeric(30, 10),
     ratio double precision,
     happened_at timestamptz,
     lasts interval,
     is_it boolean,
     doubled numeric generated always as (amount * 2) stored,
     constraint wide_pkey primary key (tenant_id, id)
   );
   create table accounts (account bigint not null, id int not null, note text, constraint accounts_pkey primary key (account, id));
   create table books (owner text collate "C" not null, id int not null, note text, constraint books_pkey primary key (owner, id));
   select partywall.protect('wide');
   select partywall.protect('accounts', 'account');
   select partywall.protect('books', 'owner');`,
]

/** Rows in every table; the tenant has keys of every type. */
export async function fillWide(made: Fleet, tenant: PlacedTenant, rows = 50): Promise<void> {
  await made.as(tenant, async (connection) => {
    await connection.query(
      `with folder as (insert into folders (name) values ('Räume\t\\ "x"') returning id)
       insert into notes (title, folder_id) select 'note ' || g, folder.id from folder, generate_series(1, $1::int) as g`,
      [rows],
    )
    await connection.query(
      'update notes set parent_id = (select n.id from notes as n order by n.title limit 1) where title = (select max(n.title) from notes as n)',
    )
    await connection.query('insert into events (id) select g from generate_series(90, 110) as g')
    await connection.query(
      `insert into wide ("Te""xt", bytes, document, words, amount, ratio, happened_at, lasts, is_it) values
         (null, null, null, null, null, null, null, null, null),
         ('', '', '{}', '{}', 0, 'NaN', 'infinity', '0', false),
         (E'tab\\there\\nline\\r\\n \\\\ \\\\N \\\\. back\\\\slash', decode('00ff5c0a09', 'hex'), '{"a": "\\"\\\\n", "b": [1, null, "\\\\u00e4"]}',
          array['{', null, 'NULL', '"', E'\\t', ','], 12345678901234567890.0123456789, 0.1::float8 + 0.2::float8, '2024-02-29 23:59:59.123456+05',
          '1 year -2 mons 3 days 04:05:06.7', true),
         (E'\\\\.', null, 'null', array[array['a', 'b'], array['c', 'd']], -1, '-Infinity', '0044-03-15 12:00 BC', '-1 day', null)`,
    )
    await connection.query(`insert into accounts (account, id, note) select $1, g, 'account ' || g from generate_series(1, 3) as g`, [
      tenant.keys.bigint,
    ])
    await connection.query(`insert into books (owner, id, note) select $1, g, 'book ' || g from generate_series(1, 3) as g`, [
      tenant.keys.text,
    ])
  })
}

let drawn = 0

/** Keys of both types that no other tenant of the run has; the text one needs escapes. */
export function freshKeys(): { readonly bigint: string; readonly text: string } {
  drawn += 1
  return { bigint: String(7_000_000_000 + drawn), text: `b\\o\\k's-${drawn}` }
}
