// The port of placements. One adapter for each isolation, the same verbs in all; operations know no other way to a tenant's rows.

import type { Isolation, Placement } from './placement.ts'
import type { TenantId, TenantKeys } from './tenant.ts'

/** What an adapter needs to know of a tenant. */
export interface PlacedTenant {
  readonly id: TenantId
  readonly region: string
  readonly keys: TenantKeys
  readonly placement: Placement
}

/** What is there, as read from the database itself. */
export interface PlacementFacts {
  readonly placement: Placement
  readonly region: string
  readonly version: string | undefined
  readonly gate: GateState | undefined
  /** The tenant's tables, with the tenant's rows alone. */
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly bytes: number }[]
}

export type GateState = 'open' | 'read_only' | 'moving' | 'fenced' | 'moved' | 'suspended'

/** One thing that is not as it must be. */
export interface PlacementFinding {
  readonly rule: string
  readonly object: string
  readonly problem: string
  /** SQL that mends it; null where a person must decide. */
  readonly fix: string | null
}

/** What a purge has removed, or found: of one kind, in one place. */
export interface PurgeCount {
  /** `rows`, `tables`, `schema`, `database`, `login`, `secret`, `capabilities`, … */
  readonly kind: string
  readonly where: string
  readonly count: number
}

export interface EmptyOptions {
  /** Rows deleted in one transaction, at most. Default 1,000. */
  readonly batchRows?: number | undefined
  /** The pause between batches. Default: three times what the batch took, at most 1,000, so that neighbours are not disturbed. 0: none. */
  readonly pauseMs?: number | undefined
  /** Of a place that a tenant has left: the number of the fence behind which it was. When a later move has come back, nothing is removed. */
  readonly behindFence?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((count: PurgeCount) => void) | undefined
}

export interface PlaceOptions {
  /** This server and no other. Default: the one of the tenant's region that holds the fewest. */
  readonly server?: string | undefined
  /** What a server that is made for the tenant is to be like: handed to whoever makes it. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

/** Every verb may be repeated: what is done already is not done again, and a run that was killed is gone on with. */
export interface PlacementAdapter {
  readonly isolation: Isolation
  /**
   * Chooses where a tenant is to live, and reserves it in the catalog; asked again for the same tenant it answers the same.
   *
   * @throws {RegionMismatchError} when there is no server in the tenant's region, or the one asked for is in another.
   * @throws {CapacityError} when none of them has room.
   */
  place(tenant: { readonly id: TenantId; readonly region: string }, options?: PlaceOptions): Promise<Placement>
  /**
   * Makes the place: schema or database, login, tables at the current version, the gate (suspended; one that is there is left as it is).
   *
   * @throws {PlacementConflictError} when something of the name is there that is not the tenant's.
   */
  provision(tenant: PlacedTenant, signal?: AbortSignal): Promise<void>
  /** Moves the gate in the tenant's database. When it resolves, the database obeys. */
  setGate(tenant: PlacedTenant, state: GateState): Promise<void>
  /**
   * Cancels the tenant's statements that are running, as far as the database can tell whose they are: by the login in a database
   * of its own, by the tables that they hold in a schema of its own. In shared tables it cannot, and ends none: those run out by
   * their timeout, and what they have not yet done is refused by the gate.
   *
   * @returns how many.
   */
  endStatements(tenant: PlacedTenant): Promise<number>
  describe(tenant: PlacedTenant): Promise<PlacementFacts>
  /** Everything that is not as it must be: the wall, the region, logins, versions. */
  verify(tenant: PlacedTenant): Promise<readonly PlacementFinding[]>
  /** Deletes the tenant's rows, in bounded batches. @returns what was deleted. */
  empty(tenant: PlacedTenant, options?: EmptyOptions): Promise<readonly PurgeCount[]>
  /** Removes what is the tenant's alone: schema, database, login, secret, gate. @returns what was removed. */
  drop(tenant: PlacedTenant, options?: EmptyOptions): Promise<readonly PurgeCount[]>
  /** Reads again: what of the tenant is still there. Empty after `drop`. */
  remains(tenant: PlacedTenant): Promise<readonly PurgeCount[]>
}
