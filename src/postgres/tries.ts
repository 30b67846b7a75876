// Trying a statement again, after a failure before which nothing has happened.

import { isSamePlace } from '../core/placement.ts'
import type { Tenant } from '../core/tenant.ts'
import { CapabilityRefusedError, ConnectionLostError, DatabaseUnavailableError, TenantMovingError, TenantNotFoundError } from '../errors.ts'
import { isStalePlan } from './connection.ts'
import type { MoveWait } from './move-wait.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'

export interface TriesOptions {
  readonly databases: TenantDatabases
  readonly moveWait: MoveWait
  /** Told of each failure that is the database's own, not a replica's. */
  readonly onFailure: (error: unknown) => void
  /** Ends the wait. */
  readonly signal: AbortSignal | undefined
  /** No wait is longer: what the caller gives the statement. */
  readonly timeoutMs: number | undefined
}

/** A statement is sent so often at most. Each time but the first, something has changed since the last. */
const triesMax = 20

/**
 * `renewal`: a new capability, or a new plan. `other copy`: the tenant's rows are elsewhere as well. `time`: the tenant is being moved.
 * `other place`: it may have left for good.
 */
export type Cure = 'renewal' | 'other copy' | 'time' | 'other place'

/** The tries of one statement, or of the first statement of one transaction. Made when the first has failed. */
export class Tries {
  readonly #options: TriesOptions
  #count = 1
  /** A new capability, or a new plan, was tried in this place already. */
  #isRenewed = false
  #until: number | undefined
  #seen: string | undefined

  constructor(options: TriesOptions) {
    this.#options = options
  }

  /**
   * What may cure the failure: undefined for nothing. Asked once for each failure, and nobody waits for it.
   *
   * @param error before which nothing has happened.
   * @param failed undefined when the database was not even found.
   */
  cureOf(error: unknown, tenant: Tenant, failed: TenantDatabase | undefined): Cure | undefined {
    const { databases, onFailure } = this.#options
    if (this.#count >= triesMax) return undefined
    this.#count += 1
    if (failed !== undefined && databases.tryElsewhere?.(error, tenant, failed) === true) return 'other copy'
    onFailure(error)
    if (error instanceof CapabilityRefusedError || isStalePlan(error)) {
      if (this.#isRenewed) return undefined
      this.#isRenewed = true
      return 'renewal'
    }
    if (error instanceof TenantMovingError) return 'time'
    // A place that is removed ends its sessions. What may have been committed is never tried again.
    const isCut = error instanceof ConnectionLostError && error.retryable
    return isCut || error instanceof TenantNotFoundError || error instanceof DatabaseUnavailableError ? 'other place' : undefined
  }

  /**
   * Waits for the cure. Whoever calls it holds neither a connection nor a slot, but for a renewal.
   *
   * @returns the tenant with which to try once more; another object than `tenant` when that is in another database.
   * @throws the error itself when it is the caller's to see after all.
   */
  async next(cure: Cure, error: unknown, tenant: Tenant): Promise<Tenant> {
    switch (cure) {
      case 'renewal':
        return tenant
      case 'other copy':
        return Object.freeze({ ...tenant })
      case 'time':
      case 'other place': {
        const found = cure === 'time' ? await this.#letIn(error, tenant) : await this.#leftFor(error, tenant)
        this.#isRenewed = false
        return found
      }
    }
  }

  async #letIn(error: unknown, tenant: Tenant): Promise<Tenant> {
    const { moveWait, signal, timeoutMs = Number.POSITIVE_INFINITY } = this.#options
    this.#until ??= moveWait.clock.monotonic() + Math.min(moveWait.movingWaitMs, timeoutMs)
    const found = await moveWait.wait(tenant, { until: this.#until, seen: this.#seen, signal })
    if (found === undefined) throw error
    this.#seen = found.seen
    return found.tenant
  }

  /** A place that was purged has no gate, and one that was dropped cannot be reached. Where nothing has moved the failure stands. */
  async #leftFor(error: unknown, tenant: Tenant): Promise<Tenant> {
    const now = await this.#options.moveWait.locate(tenant).catch(() => undefined)
    if (now === undefined || isSamePlace(now.placement, tenant.placement)) throw error
    return now
  }
}
