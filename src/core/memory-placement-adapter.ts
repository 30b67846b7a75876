// Places in memory: for tests and for trying operations out. Rows are counted, not kept.

import { RegionMismatchError } from '../errors.ts'
import { type Isolation, mainPlacement, type Placement, schemaNameOf } from './placement.ts'
import type {
  EmptyOptions,
  GateState,
  PlacedTenant,
  PlacementAdapter,
  PlacementFacts,
  PlacementFinding,
  PurgeCount,
} from './placement-adapter.ts'
import type { TenantId } from './tenant.ts'

interface Place {
  readonly placement: Placement
  region: string
  isProvisioned: boolean
  gate: GateState | undefined
  rows: Map<string, number>
  running: number
}

/** Pooled tenants and tenants with a schema of their own live in `main`: the memory catalog knows no other database. */
export class MemoryPlacementAdapter implements PlacementAdapter {
  readonly isolation: Isolation
  readonly #region: string
  readonly #places = new Map<TenantId, Place>()

  constructor(options: { readonly isolation?: Isolation | undefined; readonly region?: string | undefined } = {}) {
    this.isolation = options.isolation ?? 'pooled'
    this.#region = options.region ?? 'default'
  }

  async place(tenant: { readonly id: TenantId; readonly region: string }): Promise<Placement> {
    if (tenant.region !== this.#region) throw new RegionMismatchError(`There is no server in ${tenant.region}.`)
    return this.#at(tenant).placement
  }

  async provision(tenant: PlacedTenant): Promise<void> {
    const place = this.#at(tenant)
    place.isProvisioned = true
    place.gate ??= 'suspended'
  }

  async setGate(tenant: PlacedTenant, state: GateState): Promise<void> {
    this.#at(tenant).gate = state
  }

  async endStatements(tenant: PlacedTenant): Promise<number> {
    const place = this.#at(tenant)
    const ended = place.running
    place.running = 0
    return ended
  }

  async describe(tenant: PlacedTenant): Promise<PlacementFacts> {
    const place = this.#places.get(tenant.id)
    return {
      placement: tenant.placement,
      region: this.#region,
      version: undefined,
      gate: place?.gate,
      tables: [...(place?.rows ?? [])].map(([name, rows]) => ({ name, rows, bytes: rows * 100 })),
    }
  }

  async verify(): Promise<readonly PlacementFinding[]> {
    return []
  }

  async empty(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    const place = this.#places.get(tenant.id)
    if (place === undefined) return []
    const removed: PurgeCount[] = []
    for (const [table, rows] of place.rows) {
      const batch = options.batchRows ?? 5_000
      for (let left = rows; left > 0; left -= batch) {
        options.signal?.throwIfAborted()
        const count = Math.min(batch, left)
        place.rows.set(table, left - count)
        options.onProgress?.({ kind: 'rows', where: table, count })
      }
      place.rows.delete(table)
      if (rows > 0) removed.push({ kind: 'rows', where: table, count: rows })
    }
    return removed
  }

  async drop(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const place = this.#places.get(tenant.id)
    this.#places.delete(tenant.id)
    return place?.gate === undefined ? [] : [{ kind: 'gate', where: tenant.placement.database, count: 1 }]
  }

  async remains(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const place = this.#places.get(tenant.id)
    if (place === undefined) return []
    const rows = [...place.rows].map(([table, count]) => ({ kind: 'rows', where: table, count }))
    return place.gate === undefined ? rows : [...rows, { kind: 'gate', where: tenant.placement.database, count: 1 }]
  }

  /** Puts rows of the tenant there. */
  fill(id: TenantId, table: string, rows: number): void {
    this.#places.get(id)?.rows.set(table, rows)
  }

  /** How many tenants have a place, provisioned or only reserved. */
  get size(): number {
    return this.#places.size
  }

  #at(tenant: { readonly id: TenantId }): Place {
    const schema = this.isolation === 'schema' ? schemaNameOf(tenant.id) : mainPlacement.schema
    const fresh: Place = {
      placement: { ...mainPlacement, isolation: this.isolation, schema },
      region: this.#region,
      isProvisioned: false,
      gate: undefined,
      rows: new Map(),
      running: 0,
    }
    const place = this.#places.get(tenant.id) ?? fresh
    this.#places.set(tenant.id, place)
    return place
  }
}
