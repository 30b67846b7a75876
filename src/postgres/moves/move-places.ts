// Both places of a tenant that moves: a second one is reserved, made, joined to replication, and in the end one of the two removed. The
// catalog has both, and says by the move's id which of them is not the tenant's (sql/catalog/0001-fleet.sql, 0004-schemas.sql).
//
//   reserve ── provisionTarget ── join ··· arrive (in the switch's transaction) ··· leave ── releasePlace
//      │
//      └── unreserve
//
// Every verb may be repeated, by another process too.

import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant, PurgeCount } from '../../core/placement-adapter.ts'
import type { PlacementSite } from '../placements/placement-site.ts'
import { told } from '../placements/placement-site.ts'
import type { Placements } from '../placements/placements.ts'
import { attachToRoot, detachFromRoot } from './partition-roots.ts'
import { provisionTarget } from './provision-target.ts'
import { releasePlace } from './release-place.ts'
import { reserveTarget, type TargetRequest } from './reserve-target.ts'
import { reapReservations, unreserveTarget } from './unreserve-target.ts'

export class MovePlaces {
  readonly #site: PlacementSite
  readonly #adapter: Placements['for']

  constructor({ site, for: adapter }: Pick<Placements, 'site' | 'for'>) {
    this.#site = site
    this.#adapter = adapter
  }

  /**
   * Chooses where the tenant is to go and reserves it; asked again for the same move it answers the same.
   *
   * @throws {MoveRefusedError} {@link RegionMismatchError} {@link CapacityError}
   */
  async reserve(tenant: PlacedTenant, request: TargetRequest): Promise<Placement> {
    return await reserveTarget(this.#site, tenant, request)
  }

  /** Gives back what was reserved for a move that was not begun. */
  async unreserve(tenant: Pick<PlacedTenant, 'id' | 'region'>, moveId: string): Promise<void> {
    await unreserveTarget(this.#site, tenant, moveId)
  }

  /** Gives back what was reserved by processes that died before they began their move. @returns what, for people. */
  async reap(): Promise<readonly string[]> {
    return await reapReservations(this.#site)
  }

  /**
   * Makes the place, with its gate `moved` and none of the tenant's rows.
   *
   * @throws {MoveRefusedError} when the tables here or there are not at the newest migration. {@link MoveStateError} when the tenant
   * is served there. {@link PlacementConflictError} {@link AbortedError}
   */
  async provisionTarget(
    tenant: PlacedTenant,
    target: Placement,
    { fence, signal }: { readonly fence: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    await provisionTarget(this.#site, this.#adapter(target.isolation), tenant, { target, fence, signal })
  }

  /** The tables of a place have the names that they have everywhere: those of a schema of its own become partitions for it. */
  async join(tenant: PlacedTenant, { isolation, database, schema }: Placement, signal?: AbortSignal): Promise<void> {
    if (isolation !== 'schema') return
    await told(() => this.#site.connections.asMigrator(database, (control) => attachToRoot(control, { tenant, schema, signal })))
  }

  /** Undoes it. */
  async leave(tenant: PlacedTenant, { isolation, database, schema }: Placement, signal?: AbortSignal): Promise<void> {
    if (isolation !== 'schema') return
    await told(() => this.#site.connections.asMigrator(database, (control) => detachFromRoot(control, { tenant, schema, signal })))
  }

  /**
   * Removes what the tenant has in a place where it is not served: rows, schema, database, login, secret; a server of its own is given
   * back.
   *
   * @returns what was removed.
   * @throws {MoveStateError} when the tenant is served there. Nothing is removed then.
   */
  async releasePlace(
    tenant: PlacedTenant,
    place: Placement,
    { behindFence, signal }: { readonly behindFence: number; readonly signal?: AbortSignal | undefined },
  ): Promise<readonly PurgeCount[]> {
    return await releasePlace(this.#site, this.#adapter(place.isolation), tenant, { place, behindFence, signal })
  }
}
