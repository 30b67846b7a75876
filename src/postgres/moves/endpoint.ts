// One of the two databases of a move, as the mover reaches it: as the owner for the gate, over the transfer's own login for replication
// and for what reads the tenant's rows.

import { type Move, sidesOf } from '../../core/move.ts'
import { mainPlacement, type Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { DatabaseUnavailableError } from '../../errors.ts'
import { type ControlConnection, ControlPool } from '../control-pool.ts'
import { findDatabase } from '../database-address.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { dropTransferLogin, ensureTransferLogin, type TransferAccess, type TransferLogin, type TransferSite } from '../transfer-login.ts'
import { answered } from './answered.ts'

/** How to find databases, and to reach them. */
export interface MoveSite {
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlConnection
  readonly connections: FleetConnections
}

export interface Endpoint {
  readonly placement: Placement
  /** The database, as PostgreSQL knows it. */
  readonly databaseName: string
  /** Is the database there? */
  readonly isThere: boolean
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

/** So long a server that was left may take to answer. */
const reachMs = 2_000

/** Makes the login, if need be, and opens both ends. A database that is not there yet, or not any more, is left out. Close them. */
export async function openEnds(site: MoveSite, access: TransferAccess, move: Move, tenant: PlacedTenant): Promise<MoveEnds> {
  const transfer = { id: move.id, tenant }
  const open = async (placement: Placement): Promise<Endpoint> => {
    const base = await transferSite(site, placement)
    return await openEndpoint(site, await ensureTransferLogin(access, transfer, [base]), placement, base.databases[0])
  }
  // The tenant is let in at its new place also when the server that it has left cannot be reached.
  const openLeft = async (placement: Placement): Promise<Endpoint> => {
    const within = { ms: reachMs, what: `The server ${placement.server}` }
    return await answered(within, open(placement)).catch(async (error: unknown) => {
      if (!(error instanceof DatabaseUnavailableError)) throw error
      return await openEndpoint(site, await ensureTransferLogin(access, transfer, []), placement, undefined)
    })
  }
  const left = move.state === 'switched' ? sidesOf(move).other : undefined
  const source = await (move.source === left ? openLeft : open)(move.source)
  const target = await (move.target === left ? openLeft : open)(move.target).catch(async (error: unknown) => {
    await source.transfer.close()
    throw error
  })
  const opened = [source, target]
  return { move, tenant, source, target, close: async () => void (await Promise.all(opened.map(({ transfer }) => transfer.close()))) }
}

/** Drops the login on the server of a place. */
export async function closeTransfer(site: MoveSite, access: TransferAccess, move: Pick<Move, 'id'>, placement: Placement): Promise<void> {
  await dropTransferLogin(access, move.id, [await transferSite(site, placement)])
}

/** The server of a place, with its database if that is there. */
async function transferSite({ reader, connections }: MoveSite, { server, database }: Placement): Promise<TransferSite> {
  if (database === mainPlacement.database) {
    // Where the catalog is, it knows itself best: its row may be from before it was restored elsewhere.
    const [row] = await connections.asMigrator(database, (control) => control.query<{ name: string }>('select current_database() as name'))
    return { server, databases: [row!.name] }
  }
  const name = (await findDatabase(reader, database))?.databaseName
  if (name === undefined) return { server, databases: [] }
  const found = await connections.asAdministrator(server, (admin) =>
    admin.query('select from pg_catalog.pg_database as d where d.datname = $1 and d.datallowconn', [name]),
  )
  return { server, databases: found.length > 0 ? [name] : [] }
}

async function openEndpoint(
  site: MoveSite,
  login: TransferLogin,
  placement: Placement,
  databaseName: string | undefined,
): Promise<Endpoint> {
  const url = await login.url(placement.server, databaseName ?? placement.database)
  return {
    placement,
    databaseName: databaseName ?? placement.database,
    isThere: databaseName !== undefined,
    url,
    asOwner: async (fn) => await site.connections.asMigrator(placement.database, fn),
    transfer: new ControlPool({ connectionString: url, applicationName: 'partywall move', connectionsMax: 6, statementTimeoutMs: 0 }),
  }
}
