// How many files one tenant is storing at once, in this process: each holds memory and a connection to the store.

import type { TenantId } from '../../core/tenant.ts'
import { TenantBusyError } from '../../errors.ts'

export class UploadsUnderWay {
  readonly #most: number
  readonly #counts = new Map<TenantId, number>()

  constructor(uploadsMax: number) {
    this.#most = uploadsMax
  }

  /** @throws {TenantBusyError} when the tenant has as many under way as it may. Others are served. */
  async of<T>(tenantId: TenantId, work: () => Promise<T>): Promise<T> {
    const before = this.#counts.get(tenantId) ?? 0
    if (before >= this.#most) {
      throw new TenantBusyError(`The tenant is storing ${before} files at once (uploadsMax ${this.#most}).`, {
        details: { bound: 'uploadsMax', value: this.#most },
      })
    }
    this.#counts.set(tenantId, before + 1)
    try {
      return await work()
    } finally {
      const now = (this.#counts.get(tenantId) ?? 1) - 1
      if (now === 0) this.#counts.delete(tenantId)
      else this.#counts.set(tenantId, now)
    }
  }
}
