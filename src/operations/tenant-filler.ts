// Gives a tenant the rows of a backup: a new one, or one that has others. A port; backup/restore-rows.ts is the adapter.

import type { PlacedTenant } from '../core/placement-adapter.ts'

export interface FillOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((message: string) => void) | undefined
}

export interface Filled {
  readonly tables: number
  readonly rows: number
}

export interface Replaced {
  /** The backup of what was there, as `<tenant id>/<backup id>`. */
  readonly safety: string
  readonly tables: readonly { readonly table: string; readonly inserted: number; readonly deleted: number }[]
}

export interface TenantFiller {
  /** Refuses, before anything is made, what cannot be filled in: there is no such backup, or it cannot be opened. */
  check(contents: string): Promise<void>
  /** Loads the rows, all or none, into tables that hold none of the tenant's. */
  fill(tenant: PlacedTenant, contents: string, options: FillOptions): Promise<Filled>
  /** Puts the rows in the place of all that the tenant has, in one transaction. May be repeated. */
  replace(tenant: PlacedTenant, contents: string, options: FillOptions): Promise<Replaced>
  /** What a replacement that was killed has left of itself is taken away. */
  release(tenant: PlacedTenant): Promise<void>
}
