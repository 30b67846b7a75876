// The least that can bring a schema to a version: all files in one transaction, and one row that says so.

import type { ControlConnection, ControlPool } from '../../src/postgres/control-pool.ts'
import type { PlacementMigrations } from '../../src/postgres/placements/placement-site.ts'

const record = `
  create table if not exists partywall.plain_migrations (
    schema_name text collate "C" not null,
    version text collate "C" not null,
    constraint plain_migrations_pkey primary key (schema_name)
  )`

/** Tables of every kind that a placement has to empty and drop: referred to, referring to themselves, partitioned, global. */
export const tables: readonly string[] = [
  `create table folders (
     tenant_id uuid not null,
     id uuid not null default partywall.uuidv7(),
     name text not null,
     constraint folders_pkey primary key (tenant_id, id)
   );
   create table notes (
     tenant_id uuid not null,
     id uuid not null default partywall.uuidv7(),
     folder_id uuid,
     parent_id uuid,
     title text not null,
     constraint notes_pkey primary key (tenant_id, id),
     constraint notes_folder_fkey foreign key (tenant_id, folder_id) references folders (tenant_id, id),
     constraint notes_parent_fkey foreign key (tenant_id, parent_id) references notes (tenant_id, id)
   );
   create table countries (code text primary key, name text not null);
   insert into countries (code, name) values ('de', 'Germany');
   select partywall.protect('folders');
   select partywall.protect('notes');
   select partywall.declare_global('countries', 'Countries are the same for everybody.');`,
  `create table events (
     tenant_id uuid not null,
     id bigint not null,
     constraint events_pkey primary key (tenant_id, id)
   ) partition by range (id);
   create table events_low partition of events for values from (0) to (100);
   create table events_high partition of events for values from (100) to (100000);
   select partywall.protect('events');`,
]

/** @param steps SQL of each version, from 0001 on; names are unqualified. */
export function plainMigrations(steps: readonly string[] = tables): PlacementMigrations {
  const versionAt = (count: number): string => String(count).padStart(4, '0')
  const read = async (control: ControlConnection, schema: string): Promise<string | undefined> => {
    const [row] = await control.query<{ version: string }>(
      'select m.version from partywall.plain_migrations as m where m.schema_name = $1',
      [schema],
    )
    return row?.version
  }
  return {
    version: steps.length === 0 ? undefined : versionAt(steps.length),
    fingerprint: JSON.stringify(steps),
    async applyAll(control: ControlPool, schema: string) {
      await control.transaction(async (connection) => {
        await connection.query('select pg_advisory_xact_lock(4711)')
        await connection.query(record)
        const done = Number((await read(connection, schema)) ?? 0)
        if (done === steps.length) return
        await connection.query(`set local search_path = ${schema}, pg_temp;\n${steps.slice(done).join('\n')}`)
        await connection.query(
          `insert into partywall.plain_migrations (schema_name, version) values ($1, $2)
               on conflict on constraint plain_migrations_pkey do update set version = excluded.version`,
          [schema, versionAt(steps.length)],
        )
      })
    },
    async versionOf(control, schema) {
      const [found] = await control.query<{ isThere: boolean }>(`select to_regclass('partywall.plain_migrations') is not null as "isThere"`)
      return found?.isThere === true ? await read(control, schema) : undefined
    },
    async forget(control, schema) {
      const [found] = await control.query<{ isThere: boolean }>(`select to_regclass('partywall.plain_migrations') is not null as "isThere"`)
      if (found?.isThere === true) await control.query('delete from partywall.plain_migrations as m where m.schema_name = $1', [schema])
    },
  }
}
