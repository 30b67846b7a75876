// A backup that can be read: its manifest authenticated, its rows a stream for each table.

import type { TenantId } from '../core/tenant.ts'
import { BackupInvalidError, BackupNotFoundError } from '../errors.ts'
import type { ByteStream } from '../objects/object-store.ts'
import { findBackupKey } from './backup-key.ts'
import { readText } from './backup-listing.ts'
import { manifestKey, objectKey, readRows, sealOf } from './backup-object.ts'
import type { BackupParts } from './backup-parts.ts'
import { type BackedTable, type BackupManifest, openManifest } from './manifest.ts'
import type { RowStream } from './row-source.ts'

/** Which backup, of whom. */
export interface BackupPlace {
  readonly tenantId: TenantId
  readonly id: string
}

export interface OpenedBackup {
  readonly manifest: BackupManifest
  /** In the order in which they can be loaded. */
  readonly tables: readonly RowStream[]
  rows(table: BackedTable, signal?: AbortSignal): ByteStream
}

/**
 * Opens a backup with the tenant's key.
 *
 * @throws {BackupNotFoundError} when there is none.
 * @throws {BackupInvalidError} when it is not what was written, or the tenant's key is gone.
 */
export async function openBackup({ store, secrets }: Pick<BackupParts, 'store' | 'secrets'>, place: BackupPlace): Promise<OpenedBackup> {
  const text = await readText(store, manifestKey(place))
  if (text === undefined) throw new BackupNotFoundError(`There is no backup ${place.id} of tenant ${place.tenantId}.`)
  const key = await findBackupKey(secrets, place.tenantId)
  if (key === undefined) {
    throw new BackupInvalidError(
      `The secret store has no backup key of tenant ${place.tenantId}: it was off-boarded, or the secret tenant/${place.tenantId}/backup was lost. Without it the backup cannot be read.`,
    )
  }
  const { manifest, dataKey } = openManifest(text, place, key)
  const rows = (table: BackedTable, signal?: AbortSignal): ByteStream => {
    const seal = sealOf(dataKey, { tenantId: place.tenantId, backupId: place.id, table: table.name })
    return readRows(store, { key: objectKey(place, table.object), place: seal, table }, signal)
  }
  return {
    manifest,
    rows,
    tables: manifest.tables.map((table) => ({
      table: table.name,
      columns: table.columns,
      tenantColumn: table.tenantColumn,
      tenantType: table.tenantType,
      rows: (signal) => rows(table, signal),
    })),
  }
}
