// What the fleet can see of a tenant for an evidence report.

import { type Isolation, mainPlacement } from '../../core/placement.ts'
import type { PlacementAdapter } from '../../core/placement-adapter.ts'
import type { Plans } from '../../core/plans.ts'
import type { Tenant } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'
import type { EvidenceSources } from '../../evidence/evidence.ts'
import type { LimitsEvidence, PlaceEvidence } from '../../evidence/facts.ts'
import type { ControlPool } from '../control-pool.ts'
import { findDatabase } from '../database-address.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { roles } from '../roles.ts'
import { probeAsNeighbour } from './neighbour-probe.ts'
import { rolesWithAPath } from './roles-with-a-path.ts'

export interface SourceParts {
  readonly reader: ControlPool
  readonly connections: FleetConnections
  readonly placements: (isolation: Isolation) => PlacementAdapter
  readonly plans: Plans
}

/** Place, neighbour, roles and limits: what PostgreSQL itself can be asked. */
export function evidenceSources(parts: SourceParts): EvidenceSources {
  const { connections, placements } = parts
  const asAdministrator = async <T>(tenant: Tenant, fn: (admin: ControlPool) => Promise<T>): Promise<T> => {
    const { database, server } = tenant.placement
    // The catalog's own database goes by its URL: it may be a copy of one that had another name.
    const [here] = await parts.reader.query<{ name: string }>('select current_database()::text as name')
    const name = database === mainPlacement.database ? here?.name : (await findDatabase(parts.reader, database))?.databaseName
    if (name === undefined) throw new ConfigurationError(`The catalog has no database ${database}.`)
    return await connections.asAdministrator(server, fn, name)
  }
  return {
    place: (tenant) => seePlace(parts, tenant),
    neighbour: async (tenant) => {
      const { tables } = await placements(tenant.placement.isolation).describe(tenant)
      return await asAdministrator(tenant, (admin) => probeAsNeighbour(admin, tenant, tables))
    },
    roles: (tenant) => asAdministrator(tenant, rolesWithAPath),
    limits: (tenant) => asAdministrator(tenant, (admin) => seeLimits(admin, parts.plans, tenant)),
  }
}

async function seePlace({ reader, placements }: SourceParts, tenant: Tenant): Promise<PlaceEvidence> {
  const adapter = placements(tenant.placement.isolation)
  const [server] = await reader.query<{ name: string; region: string; inDatabase: string; onServer: string }>(
    `select s.name, s.region,
            count(*) filter (where o.database_name = $1) as "inDatabase", count(o.id) as "onServer"
       from partywall.servers as s
       left join partywall.databases as d on d.server_name = s.name
       left join partywall.tenants as o on o.database_name = d.name and o.id <> $2
      where s.name = $3
      group by s.name, s.region`,
    [tenant.placement.database, tenant.id, tenant.placement.server],
  )
  if (server === undefined) throw new ConfigurationError(`The catalog has no server ${tenant.placement.server}.`)
  return {
    facts: await adapter.describe(tenant),
    findings: await adapter.verify(tenant),
    server: { name: server.name, region: server.region },
    besides: { inDatabase: Number(server.inDatabase), onServer: Number(server.onServer) },
  }
}

/** As they are stored with the login that runs the tenant's statements. */
async function seeLimits(admin: ControlPool, plans: Plans, { plan, placement }: Tenant): Promise<LimitsEvidence> {
  const isOwn = placement.isolation === 'database' || placement.isolation === 'server'
  const rows = await admin.query<{ name: string; value: string }>(
    `select split_part(setting, '=', 1) as name, max(split_part(setting, '=', 2)) as value
       from pg_catalog.pg_db_role_setting as s
       join pg_catalog.pg_roles as r on r.oid = s.setrole
      cross join lateral unnest(s.setconfig) as setting
      where case when $1 then r.rolname in (select l.login from partywall.logins as l) else r.rolname = $2 end
      group by 1`,
    [isOwn, roles.app],
  )
  const ms = (name: string): number => Number(rows.find((row) => row.name === name)?.value ?? 0)
  return { plan, weight: plans.weightOf(plan), statementTimeoutMs: ms('statement_timeout'), lockTimeoutMs: ms('lock_timeout') }
}
