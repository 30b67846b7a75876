// Where a tenant is to live: chosen in the catalog, by region and room, and reserved there. Places are chosen one at a time, so
// that two tenants never share the last one.

import type { PlaceOptions } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import { CapacityError, RegionMismatchError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { chooseServer as chooseLeastLoaded } from '../server-choice.ts'

/** Who is to be placed; without an id, whoever comes later. */
export interface Newcomer {
  readonly id: TenantId | undefined
  readonly region: string
}

/** What is asked of the place. */
export interface PlaceWish extends PlaceOptions {
  /** This database and no other, by its name in the catalog. */
  readonly database?: string | undefined
  /** The place that is left: neither this database nor, for a database of one's own, this server. */
  readonly leaving?: { readonly server: string; readonly database: string } | undefined
}

interface DatabasePlace {
  readonly server: string
  readonly database: string
}

/**
 * A database with shared tables, or one for schemas, that has room: the emptiest; of pooled ones the catalog's own first.
 *
 * @throws {RegionMismatchError} {@link CapacityError}
 */
export async function chooseSharedDatabase(
  catalog: ControlConnection,
  holds: 'pooled' | 'schema',
  { region }: Newcomer,
  { server, database, leaving }: PlaceWish,
): Promise<DatabasePlace> {
  await assertRegion(catalog, region, server)
  const [found] = await catalog.query<DatabasePlace>(
    `select d.server_name as server, d.name as database
       from partywall.databases as d
       join partywall.servers as s on s.name = d.server_name
      cross join lateral (
              select case d.holds
                       when 'schema' then (select count(*) from partywall.schemas as o where o.database_name = d.name)
                       else (select count(*) from partywall.tenants as t where t.database_name = d.name)
                          + (select count(*) from partywall.pooled_reservations as p where p.database_name = d.name)
                     end as tenants
            ) as held
      where d.holds = $1 and d.state = 'ready' and s.state = 'active' and s.region = $2
        and ($3::text is null or s.name = $3::text)
        and ($4::text is null or d.name = $4::text)
        and d.name is distinct from $5
        and held.tenants < coalesce(d.tenants_max, 2147483647)
      order by case when d.holds = 'pooled' and d.name = 'main' then 0 else 1 end, held.tenants, d.name
      limit 1`,
    [holds, region, server, database, leaving?.database],
  )
  if (found !== undefined) return found
  if (database !== undefined)
    throw new CapacityError(`The database ${database} has no room, or is not in use. Raise its tenants_max, or name another.`)
  throw new CapacityError(
    holds === 'schema'
      ? `No database for schemas in the region ${region}${server === undefined ? '' : ` on the server ${server}`} has room. Make one there: partywall database create <name> --holds schema --server ${server ?? '<server>'}`
      : `No database with shared tables in the region ${region}${server === undefined ? '' : ` on the server ${server}`} has room. Add one, or raise its tenants_max.`,
  )
}

/**
 * A server that may take another tenant's database: the emptiest. One that is a single tenant's is never chosen.
 *
 * @throws {RegionMismatchError} {@link CapacityError}
 */
export async function chooseServer(catalog: ControlConnection, { region }: Newcomer, { server, leaving }: PlaceWish): Promise<string> {
  await assertRegion(catalog, region, server)
  const found = await chooseLeastLoaded(catalog, { region, server, except: leaving?.server, for: 'database' }, { lock: true })
  return found.name
}

/**
 * Is this server the tenant's alone?
 *
 * @throws {RegionMismatchError} {@link CapacityError}
 */
export async function assertServerIsFree(catalog: ControlConnection, { id, region }: Newcomer, server: string): Promise<void> {
  await assertRegion(catalog, region, server)
  // One that was reserved for this very tenant may be made yet.
  const [found] = await catalog.query<{ isFree: boolean }>(
    `select s.tenants_max = 1
            and (s.state = 'active' or (s.state = 'provisioning' and s.provisioned is not null))
            and coalesce(s.provisioned ->> 'tenantId' = $2, s.provisioned is null)
            and not exists (select from partywall.databases as d where d.server_name = s.name) as "isFree"
       from partywall.servers as s
      where s.name = $1`,
    [server, id],
  )
  if (found?.isFree === true) return
  throw new CapacityError(
    `The server ${server} is not one that waits for a tenant of its own: it is in use, inactive, or its tenants_max is not 1.`,
  )
}

/** Data must not leave its region, not even for want of a server there. */
async function assertRegion(catalog: ControlConnection, region: string, server: string | undefined): Promise<void> {
  const [found] = await catalog.query<{ isThere: boolean; elsewhere: string | null }>(
    `select exists (select from partywall.servers as s where s.region = $1 and s.state <> 'retired') as "isThere",
            (select s.region from partywall.servers as s where s.name = $2 and s.region <> $1) as elsewhere`,
    [region, server],
  )
  if (found?.elsewhere)
    throw new RegionMismatchError(`The tenant's region is ${region}, and the server ${server} is in ${found.elsewhere}.`)
  if (found?.isThere !== true) throw new RegionMismatchError(`There is no server in the region ${region}.`)
}
