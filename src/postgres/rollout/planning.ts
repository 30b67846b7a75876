// Who is behind, in which ring: one query over the catalog, whose versions are what was seen last. Each place's own ledger is the
// truth when the place is touched.

import { MigrationError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { pendingFiles, readLedger } from '../migrations/ledger.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import { appSchema } from '../roles.ts'
import { type Ring, restRing } from './ring.ts'
import type { RunFile } from './runs.ts'

/** Places of one kind that a ring would migrate. */
export interface RingPlan {
  readonly ring: string
  readonly databases: number
  readonly schemas: number
  /** The oldest version among them; null for none at all. */
  readonly oldest: string | null
}

/** Schemas of one database that follow each other in the order of work, so that they can be done in one round trip. */
const chunk = 50

/** Behind $1, in the rings $2. A share is stable: it is of the id, and of nothing that changes. */
const behind = `
  select p.kind, p.database_name, p.schema_name, p.tenant_id, p.version, coalesce(fits.ring, jsonb_array_length($2::jsonb)) as ring
    from partywall.places as p
    join partywall.servers as s on s.name = p.server_name
    left join partywall.tenants as t on t.id = p.tenant_id
   cross join lateral (
           select ('x' || substr(md5(coalesce(p.tenant_id::text, p.database_name || '.' || p.schema_name)), 1, 7))::bit(28)::integer * 100.0 / 268435456 as share
         ) as its
   cross join lateral (
           select min(r.number)::integer - 1 as ring
             from jsonb_array_elements($2::jsonb) with ordinality as r (asks, number)
            where not p.is_stock
              and (r.asks -> 'plans' is null or r.asks -> 'plans' ? t.plan)
              and (r.asks -> 'regions' is null or r.asks -> 'regions' ? s.region)
              and (r.asks -> 'isolations' is null or r.asks -> 'isolations' ? p.isolation)
              and (r.asks -> 'tags' is null or coalesce(t.settings, '{}') || s.labels @> (r.asks -> 'tags'))
              and (r.asks -> 'tenants' is null or r.asks -> 'tenants' ? t.id::text or r.asks -> 'tenants' ? t.slug)
              and (r.asks -> 'percent' is null or its.share < (r.asks ->> 'percent')::numeric)
         ) as fits
   where p.version is null or p.version < $1`

/** How many each ring has to do, the empty rings too. */
export async function planRings(catalog: ControlConnection, to: string, rings: readonly Ring[]): Promise<readonly RingPlan[]> {
  const rows = await catalog.query<{ ring: number; databases: number; schemas: number; oldest: string | null }>(
    `select b.ring, count(*) filter (where b.kind = 'database')::integer as databases, count(*) filter (where b.kind = 'schema')::integer as schemas,
            case when bool_or(b.version is null) then null else min(b.version) end as oldest
       from (${behind}) as b
      group by b.ring`,
    [to, JSON.stringify(rings)],
  )
  return [...rings.map(({ name }) => name), restRing].map((ring, number) => {
    const found = rows.find((row) => row.ring === number)
    return { ring, databases: found?.databases ?? 0, schemas: found?.schemas ?? 0, oldest: found?.oldest ?? null }
  })
}

/**
 * Writes down what a run has to do: everybody who is behind, and not written down yet.
 *
 * @returns how many.
 */
export async function insertTargets(
  catalog: ControlConnection,
  run: { readonly id: string; readonly version: string; readonly rings: readonly Ring[] },
): Promise<number> {
  const [row] = await catalog.query<{ count: number }>(
    `with fresh as (
       select b.*, (row_number() over (partition by b.ring, b.kind, b.database_name order by b.version nulls first, b.schema_name) - 1) / ${chunk} as chunk
         from (${behind}) as b
        where not exists (
                select from partywall.migration_targets as m
                 where m.run_id = $3 and m.database_name = b.database_name and m.schema_name = b.schema_name
              )
     ), made as (
       insert into partywall.migration_targets (run_id, position, ring, kind, database_name, schema_name, tenant_id, from_version, version)
       select $3::uuid,
              row_number() over (order by f.ring, f.kind, f.chunk, f.database_name, f.version nulls first, f.schema_name)
                + (select coalesce(max(m.position), 0) from partywall.migration_targets as m where m.run_id = $3),
              f.ring, f.kind, f.database_name, f.schema_name, f.tenant_id, f.version, f.version
         from fresh as f
           on conflict do nothing
       returning 1
     )
     select count(*)::integer as count from made`,
    [run.version, JSON.stringify(run.rings), run.id],
  )
  return row?.count ?? 0
}

/**
 * Does the set continue what has been applied? Asked of the catalog's own ledger and of the last run that did anything, before
 * anything is begun; every place is asked again by its own ledger.
 *
 * @throws {MigrationError} when a file was changed, is gone, or has a number that comes too late.
 */
export async function assertContinues(catalog: ControlConnection, set: MigrationSet): Promise<void> {
  pendingFiles(set, await readLedger(catalog, [appSchema]))
  const [last] = await catalog.query<{ files: readonly RunFile[]; version: string }>(
    `select r.files, m.version
       from partywall.migration_runs as r
      cross join lateral (select max(m.version) as version from partywall.migration_targets as m where m.run_id = r.id and m.state = 'done') as m
      where m.version is not null
      order by r.created_at desc
      limit 1`,
  )
  if (last === undefined) return
  // As if one more schema had been through all of them.
  const seen = last.files.filter(({ version }) => version <= last.version)
  pendingFiles(
    set,
    seen.map((file) => ({ ...file, schema: 'the fleet', appliedAt: new Date(0), durationMs: 0, appliedBy: '' })),
  )
}

/** @throws {MigrationError} when the files of a run are not those of the set any more. */
export function assertSameFiles(set: MigrationSet, files: readonly RunFile[]): void {
  const now = new Map(set.files.map((file) => [file.version, file]))
  for (const { version, file, sha256 } of files) {
    const here = now.get(version)
    if (here?.file === file && here.sha256 === sha256) continue
    throw new MigrationError(
      `The migration of the fleet was begun with ${file}, which is ${here === undefined ? 'not here' : 'another file now'}. Go on with the release that began it, or abort it.`,
      { details: { version, file } },
    )
  }
  const last = files.at(-1)?.version ?? ''
  const late = set.files.find(({ version }) => version <= last && files.every((file) => file.version !== version))
  if (late === undefined) return
  throw new MigrationError(`${late.file} was not there when the migration of the fleet was begun. Give it a number after ${last}.`, {
    details: { version: late.version, file: late.file },
  })
}
