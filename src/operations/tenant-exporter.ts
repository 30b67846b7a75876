// Hands a tenant's rows to whoever they belong to, before they are purged. A port; postgres/tenant-export.ts writes files.

import type { PlacedTenant } from '../core/placement-adapter.ts'

export interface ExportOptions {
  /** Where to: what it means is the exporter's business (a directory, a bucket). */
  readonly to: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((message: string) => void) | undefined
}

/** One table, as it was written. */
export interface ExportedTable {
  readonly table: string
  readonly file: string
  readonly rows: number
  readonly bytes: number
  /** Of the file, in hexadecimal digits. */
  readonly sha256: string
}

export interface TenantExport {
  readonly tables: readonly ExportedTable[]
  /** Where the list of the files and their hashes is. */
  readonly manifest: string
  /** Of the manifest. */
  readonly sha256: string
}

export interface TenantExporter {
  /** Writes all of the tenant's rows, as of one moment. May be repeated: what was written before is replaced. */
  export(tenant: PlacedTenant, options: ExportOptions): Promise<TenantExport>
}
