// What the catalog says of a tenant's place, for every placement.

import { type Isolation, type Placement, sharedSchema } from '../../core/placement.ts'
import type { PlacedTenant, PlacementFacts, PlacementFinding } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'
import { readGate } from './gate.ts'
import { type PlacementSite, told } from './placement-site.ts'
import { countRows } from './tenant-rows.ts'

/** Where the catalog's row of the tenant has it already, in this isolation. */
export async function placeInCatalog(catalog: ControlConnection, id: TenantId, isolation: Isolation): Promise<Placement | undefined> {
  const [row] = await catalog.query<Placement>(
    `select t.isolation, d.server_name as server, t.database_name as database, t.schema_name as schema
       from partywall.tenants as t
       join partywall.databases as d on d.name = t.database_name
      where t.id = $1 and t.isolation = $2`,
    [id, isolation],
  )
  return row
}

/** What is there, as its database says. */
export async function describePlace(site: PlacementSite, tenant: PlacedTenant, isShared: boolean): Promise<PlacementFacts> {
  const { region } = await registered(site, tenant)
  const schema = ownSchema(tenant)
  return await told(() =>
    site.connections.asMigrator(tenant.placement.database, async (control) => ({
      placement: tenant.placement,
      region: region ?? tenant.region,
      version: await site.migrations.versionOf(control, tenant.placement.schema),
      gate: await readGate(control, tenant),
      tables: await countRows(control, tenant, { schema, isShared }),
    })),
  )
}

/** Region and version, in every placement. */
export async function commonFindings(site: PlacementSite, tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
  const { region, version, isSuspended } = await registered(site, tenant)
  const { server, database, schema } = tenant.placement
  const findings: PlacementFinding[] = []
  if (region !== tenant.region) {
    findings.push({
      rule: 'region',
      object: server,
      problem: `The tenant's region is ${tenant.region}, and the server ${server} is in ${region ?? 'none'}.`,
      fix: null,
    })
  }
  const [applied, gate] = await told(() =>
    site.connections.asMigrator(
      database,
      async (control) => [await site.migrations.versionOf(control, schema), await readGate(control, tenant)] as const,
    ),
  )
  if (applied !== (version ?? undefined)) {
    findings.push({
      rule: 'version',
      object: `${database}.${schema}`,
      problem: `The newest migration there is ${applied ?? 'none'}, and the catalog says ${version ?? 'none'}.`,
      fix: null,
    })
  }
  if (gate === undefined) {
    findings.push({
      rule: 'gate',
      object: database,
      problem: 'The tenant has no gate in its database, so that nobody can be let in, or kept out.',
      fix: `select partywall.set_gate('${tenant.id}', 'suspended');`,
    })
  } else if (isSuspended && (gate === 'open' || gate === 'read_only')) {
    findings.push({
      rule: 'gate',
      object: database,
      problem: `The tenant is suspended, and its gate is ${gate}: it is served as before.`,
      fix: `select partywall.set_gate('${tenant.id}', 'suspended');`,
    })
  }
  return findings
}

/** The schema, where it is the tenant's own. */
export function ownSchema({ placement }: PlacedTenant): string | undefined {
  return placement.isolation === 'schema' ? placement.schema : undefined
}

interface Registered {
  readonly region: string | null
  readonly version: string | null
  /** Whether the catalog has the tenant in this very place, and suspended. */
  readonly isSuspended: boolean
}

async function registered({ reader }: PlacementSite, { id, placement }: PlacedTenant): Promise<Registered> {
  const [row] = await reader.query<Registered>(
    `select (select s.region from partywall.servers as s where s.name = d.server_name) as region,
            coalesce(
              (select t.version from partywall.tenants as t where t.id = $2 and t.database_name = d.name and t.schema_name = $3),
              (select o.version from partywall.schemas as o where o.database_name = d.name and o.schema_name = $3 and o.tenant_id = $2),
              case when $3 = '${sharedSchema}' then d.version end
            ) as version,
            exists (
              select from partywall.tenants as t
               where t.id = $2 and t.database_name = d.name and t.schema_name = $3 and t.status = 'suspended'
            ) as "isSuspended"
       from partywall.databases as d
      where d.name = $1`,
    [placement.database, id, placement.schema],
  )
  return row ?? { region: null, version: null, isSuspended: false }
}
