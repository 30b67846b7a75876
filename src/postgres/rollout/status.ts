// Who is where, and why: from the catalog alone, in a handful of queries.

import type { Isolation } from '../../core/placement.ts'
import type { TenantId } from '../../core/tenant.ts'
import { InvalidInputError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { restRing } from './ring.ts'
import { latestRun, type MigrationRun } from './runs.ts'

export type TargetState = 'pending' | 'running' | 'done' | 'failed' | 'skipped'

export type TargetCounts = Readonly<Record<TargetState, number>>

/** How many places of a kind are at a version. */
export interface VersionCount {
  readonly version: string | null
  readonly isolation: Isolation
  /** Made in advance: they wait for their tenants. */
  readonly isStock: boolean
  readonly places: number
}

export interface RingCount extends TargetCounts {
  readonly ring: string
}

/** The fleet at a glance. */
export interface FleetStatus {
  /** The newest of the set; undefined when it is empty. */
  readonly newest: string | undefined
  /** Places that have not got it. */
  readonly behind: number
  readonly versions: readonly VersionCount[]
  /** The run that was planned last. */
  readonly run: (MigrationRun & { readonly rings: readonly { readonly name: string }[]; readonly counts: readonly RingCount[] }) | undefined
}

/** One place. */
export interface PlaceStatus {
  readonly database: string
  readonly schema: string
  readonly isolation: Isolation
  readonly isStock: boolean
  readonly tenantId: TenantId | null
  readonly slug: string | null
  readonly version: string | null
  /** In the run that was planned last; null when it had nothing to do there. */
  readonly state: TargetState | null
  readonly ring: string | null
  readonly attempts: number
  /** Why it failed, was skipped, or waits. */
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface PlaceListOptions {
  /** `behind`: those without the newest version. Default `all`. */
  readonly only?: 'all' | 'behind' | TargetState | undefined
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
  readonly after?: PlaceCursor | undefined
}

/** Where a page ended. */
export interface PlaceCursor {
  readonly database: string
  readonly schema: string
}

export interface PlacePage {
  readonly places: readonly PlaceStatus[]
  readonly next: PlaceCursor | undefined
}

const pageMax = 1_000
const pageDefault = 100

export async function readStatus(catalog: ControlConnection, newest: string | undefined): Promise<FleetStatus> {
  const versions = await catalog.query<VersionCount>(
    `select p.version, p.isolation, p.is_stock as "isStock", count(*)::integer as places
       from partywall.places as p
      group by p.version, p.isolation, p.is_stock
      order by p.version nulls first, p.isolation, p.is_stock`,
  )
  const run = await latestRun(catalog)
  const isBehind = (version: string | null): boolean => newest !== undefined && (version === null || version < newest)
  return {
    newest,
    behind: versions.filter(({ version }) => isBehind(version)).reduce((sum, { places }) => sum + places, 0),
    versions,
    run: run && { ...run, counts: await countRings(catalog, run) },
  }
}

async function countRings(catalog: ControlConnection, { id, rings }: MigrationRun): Promise<readonly RingCount[]> {
  const rows = await catalog.query<{ ring: number; state: TargetState; count: number }>(
    `select m.ring, m.state, count(*)::integer as count from partywall.migration_targets as m where m.run_id = $1 group by m.ring, m.state`,
    [id],
  )
  const none: TargetCounts = { pending: 0, running: 0, done: 0, failed: 0, skipped: 0 }
  return [...rings.map(({ name }) => name), restRing].map((ring, number) => {
    const counts = rows.filter((row) => row.ring === number).map(({ state, count }) => [state, count] as const)
    return { ring, ...none, ...Object.fromEntries(counts) }
  })
}

/** All of a run. */
export async function countTargets(catalog: ControlConnection, runId: string): Promise<TargetCounts> {
  const rows = await catalog.query<{ state: TargetState; count: number }>(
    'select m.state, count(*)::integer as count from partywall.migration_targets as m where m.run_id = $1 group by m.state',
    [runId],
  )
  return { pending: 0, running: 0, done: 0, failed: 0, skipped: 0, ...Object.fromEntries(rows.map(({ state, count }) => [state, count])) }
}

/** One page of places, by database and schema. */
export async function listPlaces(
  catalog: ControlConnection,
  newest: string | undefined,
  options: PlaceListOptions = {},
): Promise<PlacePage> {
  const { only = 'all', limit = pageDefault, after } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > pageMax) throw new InvalidInputError(`limit must be between 1 and ${pageMax}.`)
  const run = await latestRun(catalog)
  const rows = await catalog.query<Omit<PlaceStatus, 'ring'> & { readonly ring: number | null }>(
    `select p.database_name as database, p.schema_name as schema, p.isolation, p.is_stock as "isStock", p.tenant_id as "tenantId", t.slug, p.version,
            m.state, m.ring, coalesce(m.attempts, 0) as attempts, m.error
       from partywall.places as p
       left join partywall.tenants as t on t.id = p.tenant_id
       left join partywall.migration_targets as m on m.run_id = $1 and m.database_name = p.database_name and m.schema_name = p.schema_name
      where ($2 = 'all' or m.state = $2 or ($2 = 'behind' and (p.version is null or p.version < $3)))
        and ($4::text is null or (p.database_name, p.schema_name) > ($4, $5))
      order by p.database_name, p.schema_name
      limit $6`,
    [run?.id ?? null, only, newest ?? null, after?.database ?? null, after?.schema ?? null, limit + 1],
  )
  const names = [...(run?.rings ?? []).map(({ name }) => name), restRing]
  const places = rows.slice(0, limit).map((row) => ({ ...row, ring: row.ring === null ? null : (names[row.ring] ?? null) }))
  const last = places.at(-1)
  return { places, next: rows.length > limit && last !== undefined ? { database: last.database, schema: last.schema } : undefined }
}
