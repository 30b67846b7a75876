// Which server a tenant is to live on: in its region, with room, and of those the one that is least full.

import type { Json } from '../core/tenant.ts'
import { CapacityError, RegionMismatchError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'
import { type Server, serverColumns } from './server-rows.ts'

/** What is to live there. */
export interface ServerWish {
  readonly region: string
  /** Labels that the server must have, with these values. */
  readonly labels?: Readonly<Record<string, Json>> | undefined
  /** This server and no other. */
  readonly server?: string | undefined
  /** Any but this one. */
  readonly except?: string | undefined
  /** A schema, a database, or the whole server. */
  readonly for: 'schema' | 'database' | 'server'
}

/** A server without a bound counts as if this were it, so that it fills up beside the others and not before them. */
const tenantsMaxAssumed = 1_000

/**
 * The least loaded server that fits, by its share of `tenants_max`. Servers with the label `dedicated: true`, and those with a
 * `tenants_max` of 1, are for whole tenants alone. Stock counts as taken.
 *
 * @param options `lock`: inside the caller's transaction, and over the migrator's login: until it ends nobody else is given the
 * last place. Without it the answer is a hint.
 * @throws {RegionMismatchError} when the fleet has no server in the region.
 * @throws {CapacityError} when it has, and none has room.
 */
export async function chooseServer(
  control: ControlConnection,
  wish: ServerWish,
  options: { readonly lock?: boolean | undefined } = {},
): Promise<Server> {
  if (options.lock === true) await lockChoice(control)
  const [found] = await control.query<Server>(
    `select * from (
       select ${serverColumns}
         from partywall.servers as s
        where s.region = $1
          and s.state = 'active'
          and s.labels @> $2
          and (s.labels @> '{"dedicated": true}' or coalesce(s.tenants_max = 1, false)) = ($3 = 'server')
          and ($5::text is null or s.name = $5::text)
          and s.name is distinct from $6
          and ($3 = 'server' or s.provisioned is null)
     ) as s
      where case $3
              when 'server' then s.databases = 0 and s.provisioned is null
              when 'database' then s."ownDatabases" < coalesce(s."tenantsMax", 2147483647)
              else true
            end
      order by case $3 when 'schema' then s.tenants::float8 else s."ownDatabases"::float8 / coalesce(s."tenantsMax", $4) end, s.tenants, s.name
      limit 1`,
    [wish.region, JSON.stringify(wish.labels ?? {}), wish.for, tenantsMaxAssumed, wish.server, wish.except],
  )
  if (found !== undefined) return found
  const [any] = await control.query(`select s.name from partywall.servers as s where s.region = $1 and s.state <> 'retired' limit 1`, [
    wish.region,
  ])
  const details = { ...wish }
  if (any === undefined) throw new RegionMismatchError(`No server is in the region ${wish.region}. Add one there first.`, { details })
  const where = wish.server === undefined ? `No server in ${wish.region}` : `The server ${wish.server} is not one that`
  throw new CapacityError(`${where} has room for a ${wish.for}. Add one, or raise tenants_max.`, { details })
}

/** One chooser at a time, to the end of its transaction: what it has counted must not change before it has inserted. */
export async function lockChoice(control: ControlConnection): Promise<void> {
  await control.query('select pg_advisory_xact_lock(7305804405)')
}
