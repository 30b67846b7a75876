// The port of provisioners: whoever makes a server for one tenant, or takes one off the shelf. Adapters: src/provisioners/.

import { createHash } from 'node:crypto'
import type { Json, TenantId } from './tenant.ts'

/** For whom a server is wanted. Everything in it is passed on to the operator's own tool. */
export interface ServerRequest {
  readonly tenantId: TenantId
  readonly region: string
  readonly plan: string
  readonly labels: Readonly<Record<string, Json>>
  /** The same at every repetition: what was begun under it is gone on with, never begun twice. */
  readonly operationId: string
}

/** How to reach the server. The password is a secret; nothing else here is. */
export interface ServerConnection {
  readonly host: string
  readonly port: number
  readonly adminLogin: string
  readonly adminPassword: string
  readonly region: string
  readonly labels: Readonly<Record<string, Json>>
  /** What is needed to destroy it. Kept in the catalog, so it holds no secret. */
  readonly state?: Json | undefined
}

export interface ProvisionerProgress {
  /** One line, for people. */
  readonly message: string
  /** From 0 to 1, where it is known. */
  readonly fraction?: number | undefined
}

export interface ProvisionerRun {
  /** Ends the work; it may be resumed. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ProvisionerProgress) => void) | undefined
}

export interface Provisioner {
  /** A word: kept with the server in the catalog. */
  readonly name: string
  /**
   * Makes the server, or takes it. It may take half an hour.
   *
   * @throws {CapacityError} when there is none. {@link ProvisionerError} {@link AbortedError}
   */
  acquire(request: ServerRequest, run?: ProvisionerRun): Promise<ServerConnection>
  /** For servers that are in the fleet already: takes one in the catalog. @returns its name there. */
  reserve?(request: ServerRequest): Promise<string>
  /**
   * Goes on with an `acquire` that did not end, and answers as it would have: also when it had ended unseen, or had not begun,
   * because its caller was killed in between.
   */
  resume(request: ServerRequest, run?: ProvisionerRun): Promise<ServerConnection>
  /** Gives the server back. One that is gone is no error. */
  destroy(request: ServerRequest, state: Json | undefined, run?: ProvisionerRun): Promise<void>
}

/** Servers of tenants' own, as placements use them. */
export interface DedicatedServers {
  /**
   * Says in the catalog which server is to be the tenant's: one off the shelf, or the name of one that will be made. Cheap.
   *
   * @returns its name. Asked again for the same tenant, the same.
   * @throws {CapacityError} {@link RegionMismatchError} when the shelf has none.
   */
  reserve(request: ServerRequest): Promise<string>
  /** Makes the tenant's server ready for databases. Repeat it after a failure. @returns its name. */
  acquire(request: ServerRequest, run?: ProvisionerRun): Promise<string>
  /** Gives the tenant's server back, when nothing is on it any more. One that is gone is no error. @throws {ServerInUseError} */
  release(request: ServerRequest, run?: ProvisionerRun): Promise<void>
}

/** The name of a server that is made for one tenant: it tells nobody who that is. */
export function serverNameOf(id: TenantId): string {
  return `t-${createHash('sha256').update(`server:${id}`).digest('hex').slice(0, 24)}`
}
