// Writes down what installing partywall made, so that the doctor knows what was changed since.

import { ownObjects } from './own-objects.ts'
import { roles } from './roles.ts'

type Run = (text: string) => Promise<unknown>

/** The table of what is written down. Run by its owner, who alone writes it; the doctor reads it. */
export async function makeObjectRecord(run: Run): Promise<void> {
  await run(
    `create table if not exists partywall.installed_objects (
       object text collate "C" primary key,
       digest text not null,
       deparsed text,
       server_major integer not null,
       recorded_at timestamptz not null default clock_timestamp()
     )`,
  )
  await run(
    `comment on table partywall.installed_objects is
       'What installing made of each function, view and trigger of this schema. Written by partywall_owner; read by partywall_doctor.'`,
  )
  await run(`grant select on partywall.installed_objects to ${roles.doctor}`)
}

/**
 * Runs one SQL file of partywall’s and writes down what it made, changed and dropped, in the caller’s transaction. What was changed by
 * somebody else before is not written down by it: it stays to be found.
 */
export async function recordingObjects(run: Run, file: () => Promise<unknown>): Promise<void> {
  await run(`set local search_path = pg_catalog, pg_temp`)
  await run(`create temporary table partywall_before on commit drop as ${ownObjects}`)
  await run(`set local search_path to default`)
  await file()
  await run(`set local search_path = pg_catalog, pg_temp`)
  await run(`create temporary table partywall_after on commit drop as ${ownObjects}`)
  await run(
    `delete from partywall.installed_objects as i
      using pg_temp.partywall_before as b
      where b.object = i.object and not exists (select from pg_temp.partywall_after as a where a.object = i.object)`,
  )
  await run(
    `insert into partywall.installed_objects as i (object, digest, deparsed, server_major)
     select a.object, a.digest, a.deparsed, current_setting('server_version_num')::integer / 10000
       from pg_temp.partywall_after as a
       left join pg_temp.partywall_before as b on b.object = a.object
      where (a.digest, a.deparsed) is distinct from (b.digest, b.deparsed)
         on conflict on constraint installed_objects_pkey
         do update set digest = excluded.digest, deparsed = excluded.deparsed, server_major = excluded.server_major, recorded_at = clock_timestamp()`,
  )
}
