// The rooms in which a worker's jobs run: so many altogether, so many for one tenant.

import type { TenantId } from '../../core/tenant.ts'

/** Rooms that were reserved for one tenant and are not used yet. */
export interface ReservedRooms {
  readonly size: number
  /** Reserves up to so many more, as far as there are some. */
  widen(more: number): void
  /** Takes one for use. @returns what gives it back. */
  use(): () => void
  /** Gives back those that are not used. */
  leave(): void
}

export class JobRooms {
  readonly #roomsMax: number
  readonly #tenantMax: number
  readonly #byTenant = new Map<TenantId, number>()
  #taken = 0

  constructor({ roomsMax, tenantMax }: { readonly roomsMax: number; readonly tenantMax: number }) {
    this.#roomsMax = roomsMax
    this.#tenantMax = Math.min(tenantMax, roomsMax)
  }

  get free(): number {
    return this.#roomsMax - this.#taken
  }

  /** Tenants that have all they may have. */
  full(): readonly TenantId[] {
    return [...this.#byTenant].filter(([, taken]) => taken >= this.#tenantMax).map(([tenantId]) => tenantId)
  }

  /** Up to `wanted`; none, when there is none. */
  reserve(tenantId: TenantId, wanted: number): ReservedRooms {
    let size = this.#take(tenantId, wanted)
    return {
      get size() {
        return size
      },
      widen: (more) => {
        size += this.#take(tenantId, more)
      },
      use: () => {
        size -= 1
        return () => this.#give(tenantId, 1)
      },
      leave: () => {
        this.#give(tenantId, size)
        size = 0
      },
    }
  }

  #take(tenantId: TenantId, wanted: number): number {
    const taken = this.#byTenant.get(tenantId) ?? 0
    const size = Math.max(0, Math.min(Math.floor(wanted), this.free, this.#tenantMax - taken))
    if (size > 0) this.#byTenant.set(tenantId, taken + size)
    this.#taken += size
    return size
  }

  #give(tenantId: TenantId, rooms: number): void {
    this.#taken -= rooms
    const left = (this.#byTenant.get(tenantId) ?? 0) - rooms
    if (left > 0) this.#byTenant.set(tenantId, left)
    else this.#byTenant.delete(tenantId)
  }
}
