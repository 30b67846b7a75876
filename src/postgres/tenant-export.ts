// The exporter of off-boarding: the same export as everybody's, as JSON Lines, to a directory of the machine that runs it.

import type { PlacedTenant } from '../core/placement-adapter.ts'
import type { ExportOptions, TenantExport, TenantExporter } from '../operations/tenant-exporter.ts'
import { exportTenant } from '../portability/export-tenant.ts'
import { type LendMigrator, withTenantRows } from './portability/tenant-rows-source.ts'

export interface TenantExportOptions {
  readonly asMigrator: LendMigrator
  /** Rows that are in memory at a time, at most. Default 2,000. */
  readonly batchRows?: number | undefined
}

/** Rows that are in memory at a time, unless the caller says otherwise. */
export const exportBatchRowsDefault = 2_000

/** Exports to a directory: `to` is its path. */
export class DirectoryTenantExporter implements TenantExporter {
  readonly #options: TenantExportOptions

  constructor(options: TenantExportOptions) {
    this.#options = options
  }

  async export(tenant: PlacedTenant, { to, signal, onProgress }: ExportOptions): Promise<TenantExport> {
    const { asMigrator, batchRows = exportBatchRowsDefault } = this.#options
    return await withTenantRows(
      tenant,
      { asMigrator, batchRows },
      async (rows) =>
        await exportTenant(rows, {
          to,
          signal,
          onProgress: ({ table, rows: written }) => onProgress?.(`${table}: ${written} rows written`),
        }),
    )
  }
}
