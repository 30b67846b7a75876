// Drift over the fleet: every place against the shape that its version should have. The shape is made once for each version that
// there is, in the catalog's own database; places are read in batches, so that memory does not grow with the fleet.

import type { TenantId } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { type DriftFinding, findDrift } from '../migrations/drift.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import { referenceShape, type SchemaShape } from '../migrations/shape.ts'
import { problemOf } from './place-work.ts'

/** One place, looked at. */
export interface PlaceDrift {
  readonly database: string
  readonly schema: string
  readonly tenantId: TenantId | null
  readonly slug: string | null
  /** The version that it has, and was compared with. */
  readonly version: string
  /** Empty when it is as it should be. */
  readonly findings: readonly DriftFinding[]
  /** Why it could not be looked at. */
  readonly error?: { readonly code: string; readonly message: string } | undefined
}

export interface FleetDriftOptions {
  readonly reader: ControlConnection
  readonly connections: FleetConnections
  readonly set: MigrationSet
  readonly signal?: AbortSignal | undefined
}

type Place = Omit<PlaceDrift, 'findings' | 'error'>

const pageSize = 200

/** Every place that has any migration, in the order of databases and schemas. One that cannot be looked at says why. */
export async function* findFleetDrift(options: FleetDriftOptions): AsyncGenerator<PlaceDrift> {
  const { reader, connections, set, signal } = options
  const expected = new Map<string, Promise<SchemaShape>>()
  const shapeAt = (version: string): Promise<SchemaShape> => {
    const known = expected.get(version) ?? connections.asMigrator('main', (control) => referenceShape(control, set, version))
    expected.set(version, known)
    return known
  }
  for (let after: Place | undefined; signal?.aborted !== true; ) {
    const places = await nextPlaces(reader, after)
    if (places.length === 0) return
    for (const group of grouped(places)) yield* await compared(connections, group, shapeAt, signal)
    after = places.at(-1)
  }
}

async function nextPlaces(reader: ControlConnection, after: Place | undefined): Promise<readonly Place[]> {
  return await reader.query<Place>(
    `select p.database_name as database, p.schema_name as schema, p.tenant_id as "tenantId", t.slug, p.version
       from partywall.places as p
       left join partywall.tenants as t on t.id = p.tenant_id
      where p.version is not null and ($1::text is null or (p.database_name, p.schema_name) > ($1, $2))
      order by p.database_name, p.schema_name
      limit ${pageSize}`,
    [after?.database ?? null, after?.schema ?? null],
  )
}

/** Of one database, and one version. */
function grouped(places: readonly Place[]): readonly (readonly Place[])[] {
  const groups = new Map<string, Place[]>()
  for (const place of places) {
    const key = `${place.database} ${place.version}`
    groups.set(key, [...(groups.get(key) ?? []), place])
  }
  return [...groups.values()]
}

async function compared(
  connections: FleetConnections,
  places: readonly Place[],
  shapeAt: (version: string) => Promise<SchemaShape>,
  signal: AbortSignal | undefined,
): Promise<readonly PlaceDrift[]> {
  const [first] = places
  if (first === undefined) return []
  try {
    const shape = await shapeAt(first.version)
    const found = new Map<string, readonly DriftFinding[]>()
    await connections.asMigrator(first.database, async (control) => {
      const schemas = places.map(({ schema }) => schema)
      for await (const { schema, findings } of findDrift(control, schemas, shape, { signal })) found.set(schema, findings)
    })
    return places.map((place) => ({ ...place, findings: found.get(place.schema) ?? [] }))
  } catch (error) {
    return places.map((place) => ({ ...place, findings: [], error: problemOf(error) }))
  }
}
