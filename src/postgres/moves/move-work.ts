// Joins what a move does in PostgreSQL.

import type { Clock } from '../../core/clock.ts'
import type { Move } from '../../core/move.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { SecretStore } from '../../core/secret-store.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'
import type { MoveContext, MoveSession, MoveWork } from '../../operations/moves/move-work.ts'
import type { ControlConnection } from '../control-pool.ts'
import { answered } from './answered.ts'
import { closeTransfer, type MoveSite, openEnds } from './endpoint.ts'
import type { MovePlaces } from './move-places.ts'
import { PostgresMoveSession } from './move-session.ts'

export interface PostgresMoveWorkOptions extends MoveSite {
  readonly secrets: SecretStore
  readonly places: MovePlaces
  /** The migrator's connections to the catalog. */
  readonly catalog: ControlConnection
  /** The tenant as the catalog has it now. @throws {TenantNotFoundError} */
  readonly tenant: (id: TenantId) => Promise<Tenant>
  readonly clock: Clock
}

/** So long both servers may take to answer when they are connected to. */
const openMs = 5_000

/** @see MoveWork */
export class PostgresMoveWork implements MoveWork {
  readonly #o: PostgresMoveWorkOptions

  constructor(options: PostgresMoveWorkOptions) {
    this.#o = options
  }

  async provision(move: Move, { signal, tell }: MoveContext): Promise<void> {
    const { server, database, schema } = move.target
    tell(`Making the place ${database}.${schema} on ${server}.`)
    await this.#o.places.provisionTarget(await this.#placed(move), move.target, { fence: move.fence, signal })
  }

  async open(move: Move): Promise<MoveSession> {
    const { reader, connections, secrets, places, catalog, clock } = this.#o
    const site = { reader, connections }
    const access = { connections, secrets }
    const tenant = await this.#placed(move)
    const ends = await answered({ ms: openMs, what: 'One of the two servers' }, openEnds(site, access, move, tenant))
    return new PostgresMoveSession({
      ends,
      places,
      catalog,
      clock,
      dropLogin: async (at) => {
        await at.transfer.close()
        await closeTransfer(site, access, move, at.placement)
      },
    })
  }

  /** Where the tenant is, at this moment, its row says: not the move's, which knows two places. */
  async #placed({ tenantId }: Move): Promise<PlacedTenant> {
    const { id, region, keys, placement } = await this.#o.tenant(tenantId)
    return { id, region, keys, placement }
  }
}
