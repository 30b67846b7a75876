// The exporter of off-boarding: the same export as everybody's, as JSON Lines, to a directory of the machine that runs it.

import type { PlacedTenant } from '../core/placement-adapter.ts'
import type { ExportOptions, TenantExport, TenantExporter } from '../operations/tenant-exporter.ts'
import { exportTenant } from '../portability/export-tenant.ts'
import { type LendMigrator, withTenantRows } from './portability/tenant-rows-source.ts'

/** Exports to a directory: `to` is its path. */
export class DirectoryTenantExporter implements TenantExporter {
  readonly #asMigrator: LendMigrator

  constructor({ asMigrator }: { readonly asMigrator: LendMigrator }) {
    this.#asMigrator = asMigrator
  }

  async export(tenant: PlacedTenant, { to, signal, onProgress }: ExportOptions): Promise<TenantExport> {
    return await withTenantRows(
      tenant,
      { asMigrator: this.#asMigrator, signal },
      async (rows) =>
        await exportTenant(rows, {
          to,
          signal,
          onProgress: ({ table, rows: written }) => onProgress?.(`${table}: ${written} rows written`),
        }),
    )
  }
}
