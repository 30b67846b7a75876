// One database of one replica, as this process reads from it: a pool and a queue of its own, the capabilities of its primary.

import type { Clock } from '../core/clock.ts'
import type { FairQueue } from '../core/fair-queue.ts'
import type { TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import { BreakGlassRefusedError } from '../errors.ts'
import type { Capability, Gate } from './capabilities.ts'
import { ownControl } from './own-control.ts'
import type { ConnectionPool } from './pool.ts'
import { type PrimaryPositions, ReplicaFreshness } from './replica-freshness.ts'
import type { Replica } from './server-rows.ts'
import type { CapabilitySource, TenantDatabase } from './tenant-database.ts'

interface OpenReplicaOptions {
  readonly replica: Replica
  readonly primary: TenantDatabase
  readonly pool: ConnectionPool
  readonly queue: FairQueue
  readonly clock: Clock
  readonly positions: PrimaryPositions
  readonly lookEveryMs: number
  readonly ageMsMax: number
}

/** How long a replica, or its primary, may take to say how far it is. */
const lookTimeoutMs = 2_000

/** @see TenantDatabase */
export class OpenReplica implements TenantDatabase {
  readonly name: string
  readonly holds: TenantDatabase['holds']
  readonly replica: Replica
  readonly pool: ConnectionPool
  readonly queue: FairQueue
  readonly capabilities: CapabilitySource
  readonly freshness: ReplicaFreshness
  /** As it is open now: it may have been closed and opened again. */
  primary: TenantDatabase

  constructor(options: OpenReplicaOptions) {
    const { replica, primary, pool, queue, clock, positions, lookEveryMs, ageMsMax } = options
    this.name = primary.name
    this.holds = primary.holds
    this.replica = replica
    this.primary = primary
    this.pool = pool
    this.queue = queue
    this.freshness = new ReplicaFreshness(clock, positions, lookEveryMs)
    this.capabilities = new ReplicaCapabilities(() => this.primary.capabilities, clock, ageMsMax)
  }

  /** Asks how far it is, in the background, if that was not asked a moment ago. */
  look(): void {
    if (!this.freshness.isDue) return
    const { primary, pool } = this
    void runOutside(() => this.freshness.look(ownControl(primary.pool, lookTimeoutMs), ownControl(pool, lookTimeoutMs)))
  }

  close(): void {
    this.queue.close()
    this.pool.close()
  }
}

/** The primary's. That a replica refuses one says little of it: the replica may not have heard of it yet. */
class ReplicaCapabilities implements CapabilitySource {
  readonly #primary: () => CapabilitySource
  readonly #clock: Clock
  readonly #ageMsMax: number
  readonly #seenAt = new WeakMap<Capability, number>()

  constructor(primary: () => CapabilitySource, clock: Clock, ageMsMax: number) {
    this.#primary = primary
    this.#clock = clock
    this.#ageMsMax = ageMsMax
  }

  get size(): number {
    return this.#primary().size
  }

  tryGet(tenantId: TenantId): Capability | undefined {
    const capability = this.#primary().tryGet(tenantId)
    if (capability !== undefined) this.#see(capability)
    return capability
  }

  async get(tenantId: TenantId): Promise<Capability> {
    const capability = await this.#primary().get(tenantId)
    this.#see(capability)
    return capability
  }

  async issue(tenantId: TenantId, ttlMs: number): Promise<Capability> {
    return await this.#primary().issue(tenantId, ttlMs)
  }

  /** Staff look where the truth is, and where a revoked grant is known at once. */
  async forGrant(): Promise<never> {
    throw new BreakGlassRefusedError('A grant opens the tenant’s own server, and no replica of it.')
  }

  async revokeGrant(grantId: string): Promise<void> {
    await this.#primary().revokeGrant(grantId)
  }

  async revoke(capability: Capability): Promise<void> {
    await this.#primary().revoke(capability)
  }

  /** What a replica knows of a gate may be old. */
  async gateOf(tenantId: TenantId): Promise<Gate | undefined> {
    return await this.#primary().gateOf(tenantId)
  }

  async reopenGate(tenantId: TenantId, fence: string): Promise<void> {
    await this.#primary().reopenGate(tenantId, fence)
  }

  /** Forgotten for good only when a replica that is fit must have heard of it: then it is gone on the primary too. */
  forget(capability: Capability): void {
    const seenAt = this.#seenAt.get(capability)
    if (seenAt !== undefined && this.#clock.monotonic() - seenAt > this.#ageMsMax) this.#primary().forget(capability)
  }

  /** It is the primary's to close. */
  async close(): Promise<void> {}

  #see(capability: Capability): void {
    if (!this.#seenAt.has(capability)) this.#seenAt.set(capability, this.#clock.monotonic())
  }
}
