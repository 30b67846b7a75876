// Gives a new tenant the rows that another one had: of a backup. A port; backup/restore-rows.ts is the adapter.

import type { PlacedTenant } from '../core/placement-adapter.ts'

export interface FillOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((message: string) => void) | undefined
}

export interface Filled {
  readonly tables: number
  readonly rows: number
}

export interface TenantFiller {
  /** Refuses, before anything is made, what cannot be filled in: there is no such backup, or it cannot be opened. */
  check(contents: string): Promise<void>
  /** Loads the rows, all or none, into tables that hold none of the tenant's. */
  fill(tenant: PlacedTenant, contents: string, options: FillOptions): Promise<Filled>
}
