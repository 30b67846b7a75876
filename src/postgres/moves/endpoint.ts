// One of the two databases of a move, as the mover reaches it: as the owner for the gate, over the transfer's own login for replication
// and for what reads the tenant's rows.

import type { Move } from '../../core/move.ts'
import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { ConfigurationError } from '../../errors.ts'
import { ControlPool } from '../control-pool.ts'
import { findDatabase } from '../database-address.ts'
import type { PlacementSite } from '../placements/placement-site.ts'
import { ensureTransferLogin, type TransferAccess, type TransferLogin, type TransferSite } from '../transfer-login.ts'

export interface Endpoint {
  readonly placement: Placement
  /** The database, as PostgreSQL knows it. */
  readonly databaseName: string
  /** Connections of the migrator's login. */
  asOwner<T>(fn: (control: ControlPool) => Promise<T>): Promise<T>
  /** Connections of the transfer's login. */
  readonly transfer: ControlPool
  /** With which the other side's server reaches it. */
  readonly url: string
}

/** Both ends of a move, open. */
export interface MoveEnds {
  readonly move: Move
  readonly tenant: PlacedTenant
  readonly source: Endpoint
  readonly target: Endpoint
  close(): Promise<void>
}

/** The servers of a move and the databases there, for its login. */
export async function transferSites(site: PlacementSite, { source, target }: Pick<Move, 'source' | 'target'>): Promise<TransferSite[]> {
  const bases = await Promise.all(
    [source, target].map(async ({ server, database }) => ({ server, name: await databaseNameOf(site, database) })),
  )
  return [...new Set(bases.map(({ server }) => server))].map((server) => ({
    server,
    databases: bases.filter((base) => base.server === server && base.name !== undefined).map(({ name }) => name!),
  }))
}

/** Makes the login, if need be, and opens both ends. Close them. */
export async function openEnds(site: PlacementSite, access: TransferAccess, move: Move, tenant: PlacedTenant): Promise<MoveEnds> {
  const login = await ensureTransferLogin(access, { id: move.id, tenant }, await transferSites(site, move))
  const source = await openEndpoint(site, login, move.source)
  const target = await openEndpoint(site, login, move.target)
  return {
    move,
    tenant,
    source,
    target,
    close: async () => {
      await source.transfer.close()
      await target.transfer.close()
    },
  }
}

async function openEndpoint(site: PlacementSite, login: TransferLogin, placement: Placement): Promise<Endpoint> {
  const databaseName = await databaseNameOf(site, placement.database)
  if (databaseName === undefined) throw new ConfigurationError(`There is no database ${placement.database} in the catalog.`)
  const url = await login.url(placement.server, databaseName)
  return {
    placement,
    databaseName,
    url,
    asOwner: async (fn) => await site.connections.asMigrator(placement.database, fn),
    transfer: new ControlPool({ connectionString: url, applicationName: 'partywall move', connectionsMax: 6, statementTimeoutMs: 0 }),
  }
}

async function databaseNameOf(site: PlacementSite, database: string): Promise<string | undefined> {
  return (await findDatabase(site.reader, database))?.databaseName
}
